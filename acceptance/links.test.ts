import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startPlatform, type Platform } from "./platform.ts";

const CLI = fileURLToPath(new URL("../cli/bin/filemill.ts", import.meta.url));
const content = randomBytes(300_000);

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
}, 90_000);
afterAll(() => platform?.stop(), 30_000);

async function filemill(...words: string[]): Promise<string> {
  const env = { ...process.env, FILEMILL_URL: platform.url, FILEMILL_KEY: platform.key };
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...words], { env });
  return stdout.trim();
}

test("a file is given by a link and taken back, on the command line", async () => {
  const { id, sha256 } = await platform.client.files.put({ name: "a.bin", content: new Blob([content]) });
  const url = await filemill("files", "link", id, "--expires-in", "1h");
  const response = await fetch(url);
  const digest = createHash("sha256")
    .update(Buffer.from(await response.arrayBuffer()))
    .digest();
  expect([digest.toString("hex"), response.headers.get("repr-digest")]).toEqual([sha256, `sha-256=:${digest.toString("base64")}:`]);
  await filemill("files", "link", id, "--revoke");
  expect((await fetch(url)).status).toBe(404);
});

test("a file is asked for by a link, and processed, on the command line", async () => {
  const [id = "", url = ""] = (await filemill("links", "create", "--name", "table.csv", "--max-size", "1MiB", "--type", "text/*")).split(
    "\n",
  );
  expect(await filemill("links", "show", id)).toMatch(/not used/);
  expect((await fetch(url, { method: "PUT", body: content })).status).toBe(415);
  expect((await fetch(url, { method: "PUT", body: "a,b\n1,2\n" })).status).toBe(201);
  expect((await fetch(url, { method: "PUT", body: "a,b\n1,2\n" })).status).toBe(409);
  expect(await filemill("links", "show", id)).toMatch(/used .*: file_/);
});

test("programs do the same", async () => {
  const { files, jobs, links } = platform.client;
  const stored = await files.put({ name: "a.txt", content: new Blob(["one two"]) });
  const toFile = await links.toFile(stored.id, { expiresIn: "1h" });
  const toUpload = await links.toUpload({ pipeline: { steps: { stats: { use: "text.stats" } } }, metadata: { from: "a stranger" } });
  const revoked = await links.toUpload();
  await links.revokeUpload(revoked.id);
  expect((await fetch(revoked.url, { method: "PUT", body: "x" })).status).toBe(404);
  expect(await (await fetch(toFile.url)).text()).toBe("one two");
  expect((await fetch(toUpload.url, { method: "PUT", body: "three four" })).status).toBe(202);
  const { job_id, file_id } = await links.upload(toUpload.id);
  expect(await jobs.finished(job_id ?? "")).toMatchObject({ status: "completed", metadata: { from: "a stranger" } });
  expect(await files.get(file_id ?? "")).toMatchObject({ metadata: { from: "a stranger" } });
  await links.revokeAll();
  expect((await fetch(toFile.url)).status).toBe(404);
});
