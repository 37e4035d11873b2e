import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { connect } from "@filemill/sdk/client.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startPlatform, type Platform } from "./platform.ts";

const CLI = fileURLToPath(new URL("../cli/bin/filemill.ts", import.meta.url));
const FILES = 1_500;

let platform: Platform;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-bulk-"));
  await mkdir(join(folder, "in", "below"), { recursive: true });
  for (let no = 0; no < FILES; no++) await writeFile(join(folder, "in", `${String(no).padStart(4, "0")}.txt`), `text number ${no}\n`);
  await writeFile(join(folder, "in", "below", "größer.bin"), randomBytes(300_000));
  platform = await startPlatform();
}, 90_000);
afterAll(async () => {
  await platform?.stop();
  await rm(folder, { recursive: true, force: true });
}, 30_000);

const sha256 = (content: Buffer) => createHash("sha256").update(content).digest("hex");

test("the CLI sends a folder as one archive, and every file is there as it was", async () => {
  const environment = { ...process.env, FILEMILL_URL: platform.url, FILEMILL_KEY: platform.key };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [CLI, "files", "put", "--bulk", join(folder, "in"), "--metadata", "from=cli", "--json"],
    { env: environment },
  );
  const answer = JSON.parse(stdout);
  expect(answer).toMatchObject({ stored: { files: FILES + 1 }, skipped: { entries: 0 } });
  const stored = new Map(
    (await Array.fromAsync(platform.client.bulk.list(answer.bulk_id, { limit: 1_000 }))).map((file) => [file.name, file]),
  );
  for (const entry of await readdir(join(folder, "in"), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(join(folder, "in").length + 1).normalize("NFC");
    expect(stored.get(name), name).toMatchObject({ sha256: sha256(await readFile(path)), metadata: { from: "cli" } });
  }
  const { stdout: said } = await promisify(execFile)(process.execPath, [CLI, "files", "put", "--bulk", join(folder, "in", "below")], {
    env: environment,
  });
  expect(said).toMatch(/BULK +FILES +SIZE +SKIPPED\nbulk_\S+ +1 +293 KiB +0\n/);
});

test("one archive is one job", async () => {
  const tar = await promisify(execFile)("tar", ["-c", "-C", join(folder, "in"), "0000.txt", "0001.txt"], { encoding: "buffer" });
  const accepted = await platform.client.bulk.run(new Blob([tar.stdout]), { pipeline: { steps: { stats: { use: "text.stats" } } } });
  expect(accepted).toMatchObject({ status: "queued", stored: { files: 2 } });
  expect(await platform.client.jobs.finished(accepted.job_id)).toMatchObject({ status: "completed", counts: { succeeded: 2 } });
});

test("a connection that breaks in the middle is gone on with, and no file is there twice", async () => {
  const names = Array.from({ length: 4_000 }, (_none, no) => `${no}.txt`);
  const list = join(folder, "again");
  await mkdir(list);
  for (const name of names) await writeFile(join(list, name), name);
  const tar = (await promisify(execFile)("tar", ["-c", "-C", list, ...names], { encoding: "buffer", maxBuffer: 2 ** 26 })).stdout;
  let tries = 0;
  // The first try sends half and breaks off when some of it is stored.
  const archive = () => {
    tries += 1;
    return tries > 1 ? new Blob([tar]).stream() : halfOf(tar);
  };
  const client = connect({ url: platform.url, key: platform.key });
  const answer = await client.bulk.put(archive, { metadata: { from: "broken" } });
  expect(tries).toBeGreaterThanOrEqual(2);
  expect(answer.stored.files).toBe(names.length);
  expect((await Array.fromAsync(client.bulk.list(answer.bulk_id, { limit: 1_000 }))).map(({ name }) => name)).toEqual(names);
  expect(await Array.fromAsync(client.files.list({ limit: 1_000, metadata: { from: "broken" } }))).toHaveLength(names.length);
}, 60_000);

function halfOf(tar: Buffer): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async start(controller) {
      controller.enqueue(new Uint8Array(tar.subarray(0, tar.length / 2)));
      const some = async () => (await platform.client.files.list({ limit: 1, metadata: { from: "broken" } }).page()).data.length;
      await expect.poll(some, { timeout: 20_000 }).toBe(1);
      controller.error(new Error("the line broke"));
    },
  });
}
