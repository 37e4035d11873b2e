import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPromise, type Entry } from "yauzl";
import { runProcessor } from "../../test/processors/harness.ts";
import { archiveZip } from "./archive-zip.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-zip-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Reads a zip with somebody else's reader: every entry's name and size, and of each `every`-th whether the checksum is right. */
async function read(path: string, every: number): Promise<{ names: string[]; sizes: number[]; damaged: string[] }> {
  const zip = await openPromise(path, { lazyEntries: true, autoClose: false });
  const found = { names: new Array<string>(), sizes: new Array<number>(), damaged: new Array<string>() };
  for await (const entry of zip.eachEntry() as AsyncIterable<Entry>) {
    found.names.push(entry.fileName);
    found.sizes.push(entry.uncompressedSize);
    if (found.names.length % every !== 0) continue;
    let checksum = 0;
    for await (const chunk of (await zip.openReadStreamPromise(entry)) as AsyncIterable<Buffer>) checksum = crc32(chunk, checksum);
    if (checksum !== entry.crc32) found.damaged.push(entry.fileName);
  }
  zip.close();
  return found;
}

test("70,000 small files, more than a zip could once hold, take less than a minute and little memory", { timeout: 300_000 }, async () => {
  const path = join(folder, "small");
  await writeFile(path, "a small file\n".repeat(20));
  const inputs = Array.from({ length: 70_000 }, (_, no) => ({ name: `${no}.txt`, mediaType: "text/plain", path }));
  const before = process.memoryUsage().rss;
  const started = performance.now();
  await using zipped = await runProcessor(archiveZip, { inputs });
  expect(performance.now() - started).toBeLessThan(60_000);
  expect(process.memoryUsage().rss - before).toBeLessThan(400 * 2 ** 20);
  const { names, damaged } = await read(zipped.only.path, 100);
  expect(names).toEqual(inputs.map((input) => input.name));
  expect(damaged).toEqual([]);
});

test.each(["image/jpeg", "application/octet-stream"])(
  "a file of more than 4 GiB, and one behind it (%s)",
  { timeout: 600_000 },
  async (mediaType) => {
    const sizeBytes = 2 ** 32 + 12_345;
    const path = join(folder, `large-${mediaType.replace("/", "-")}`);
    const file = await open(path, "wx");
    await file.truncate(sizeBytes);
    await file.close();
    const inputs = [
      { name: "large", mediaType, path },
      { name: "behind", mediaType: "text/plain", content: "still there" },
    ];
    await using zipped = await runProcessor(archiveZip, { inputs, signal: AbortSignal.timeout(500_000) });
    expect(await read(zipped.only.path, 1)).toEqual({ names: ["large", "behind"], sizes: [sizeBytes, 11], damaged: [] });
  },
);
