import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { runProcessor, type GivenInput } from "../../test/processors/harness.ts";
import { archiveExtract } from "./archive-extract.ts";
import { archiveZip } from "./archive-zip.ts";

const file = (name: string, content: string | Uint8Array, mediaType = "text/plain"): GivenInput => ({ name, mediaType, content });
const files = [
  file("a.txt", "one"),
  file("../A.txt", "two"),
  file("a.txt", "three"),
  file("é.bin", Buffer.alloc(40_000), "application/octet-stream"),
  file("empty", ""),
];

test("what goes in comes out, in order and under safe names of its own", async () => {
  await using zipped = await runProcessor(archiveZip, { with: { name: "all.zip" }, inputs: files });
  expect(zipped.only).toMatchObject({ name: "all.zip", mediaType: "application/zip" });
  await using out = await runProcessor(archiveExtract, {
    inputs: [{ name: "all.zip", mediaType: "application/zip", path: zipped.only.path }],
  });
  expect(out.outputs.map((output) => output.name)).toEqual(["a.txt", "A-2.txt", "a-3.txt", "é.bin", "empty"]);
  expect(await Promise.all(out.outputs.slice(0, 3).map((output) => output.text()))).toEqual(["one", "two", "three"]);
  expect((await out.outputs[3]?.bytes())?.equals(Buffer.alloc(40_000))).toBe(true);
});

test("equal inputs give equal bytes, whatever the time zone", async () => {
  await using zipped = await runProcessor(archiveZip, { inputs: files });
  const script = `
    const { runProcessor } = await import(${JSON.stringify(import.meta.resolve("../../test/processors/harness.ts"))});
    const { archiveZip } = await import(${JSON.stringify(import.meta.resolve("./archive-zip.ts"))});
    const inputs = JSON.parse(process.argv[1]).map((input) => ({ ...input, content: Buffer.from(input.content, "base64") }));
    await using run = await runProcessor(archiveZip, { inputs });
    process.stdout.write((await run.only.bytes()).toString("base64"));`;
  const argument = JSON.stringify(files.map((input) => ({ ...input, content: Buffer.from(input.content ?? "").toString("base64") })));
  const options = { env: { TZ: "Pacific/Kiritimati" }, maxBuffer: 2 ** 24 };
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script, argument], options);
  expect(stdout).toBe((await zipped.only.bytes()).toString("base64"));
});

test("texts are deflated, photos are stored", async () => {
  await using texts = await runProcessor(archiveZip, { inputs: [file("a.txt", "x".repeat(50_000))] });
  expect((await texts.only.bytes()).length).toBeLessThan(1_000);
  await using photos = await runProcessor(archiveZip, { inputs: [file("a.jpg", "x".repeat(50_000), "image/jpeg")] });
  expect((await photos.only.bytes()).length).toBeGreaterThan(50_000);
});

test("no inputs give an empty zip", async () => {
  await using zipped = await runProcessor(archiveZip, { inputs: [] });
  expect((await zipped.only.bytes()).length).toBe(22);
});

test("an input that is gone fails the run instead of hanging it", async () => {
  const run = runProcessor(archiveZip, { inputs: [{ ...file("a.txt", ""), path: import.meta.dirname }] });
  await expect(run).rejects.toThrow(/EISDIR/);
});
