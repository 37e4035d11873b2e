import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { expect, it } from "vitest";
import { fromBufferPromise } from "yauzl";
import { contentsIn } from "../../test/contents-in.ts";
import { createMemoryStore } from "../../test/memory-store.ts";
import type { FileManifest } from "./content.ts";
import { zipFiles, type ZipEntry } from "./zip-files.ts";

const store = createMemoryStore();
const contents = contentsIn(store);
const never = new AbortController().signal;

function manifest(content: Buffer, mediaType: string, segments: FileManifest["segments"] = []): FileManifest {
  const inline = segments.length === 0 ? content : null;
  return {
    ...{ id: "f", tenantId: "t", name: "f", sizeBytes: content.length, sha256: Buffer.alloc(32), mediaType },
    ...{ origin: "output", inline, segments, createdAt: new Date(0) },
  };
}

async function stored(content: Buffer, mediaType: string): Promise<FileManifest> {
  const key = `t/${randomBytes(8).toString("hex")}/1/0`;
  await store.put(key, Readable.from([content]));
  return manifest(content, mediaType, [{ store: "memory", key, sizeBytes: content.length }]);
}

async function* each(entries: readonly ZipEntry[]): AsyncGenerator<ZipEntry> {
  yield* entries;
}

async function unzip(bytes: Buffer): Promise<Map<string, Buffer>> {
  const zip = await fromBufferPromise(bytes, { lazyEntries: true });
  const found = new Map<string, Buffer>();
  for await (const entry of zip.eachEntry()) found.set(entry.fileName, await buffer(await zip.openReadStreamPromise(entry)));
  return found;
}

it("gives back what went in, small and streamed, packed and stored", async () => {
  const text = Buffer.from("all work and no play\n".repeat(100_000));
  const noise = randomBytes(3_000_000);
  const entries = [
    { path: "a/inline.txt", file: manifest(Buffer.from("tiny"), "text/plain") },
    { path: "a/empty", file: manifest(Buffer.alloc(0), "text/plain") },
    { path: "a/object.txt", file: await stored(text.subarray(0, 40_000), "text/plain") },
    { path: "a/large.txt", file: await stored(text, "text/plain") },
    { path: "a/photo.jpg", file: await stored(noise, "image/jpeg") },
  ];
  const bytes = await buffer(zipFiles(each(entries), contents, never));
  expect(bytes.length).toBeLessThan(noise.length + 100_000);
  const found = await unzip(bytes);
  expect([...found.keys()]).toEqual(entries.map(({ path }) => path));
  const expected = [Buffer.from("tiny"), Buffer.alloc(0), text.subarray(0, 40_000), text, noise];
  for (const [index, content] of [...found.values()].entries()) expect(content.equals(expected[index] ?? Buffer.of(0))).toBe(true);
});

it("fails where an object is gone, and does not end as if it were whole", async () => {
  const lost = await stored(randomBytes(100_000), "text/plain");
  await store.delete(lost.segments[0]?.key ?? "");
  await expect(buffer(zipFiles(each([{ path: "x", file: lost }]), contents, never))).rejects.toMatchObject({ code: expect.any(String) });
});

it("takes 20,000 files of one name in seconds", async () => {
  const file = manifest(Buffer.from("x".repeat(160)), "text/plain");
  const entries = Array.from({ length: 20_000 }, () => ({ path: "step/report.json", file }));
  const started = process.cpuUsage();
  const bytes = await buffer(zipFiles(each(entries), contents, never));
  const { user, system } = process.cpuUsage(started);
  expect((user + system) / 1e6).toBeLessThan(8);
  const zip = await fromBufferPromise(bytes, { lazyEntries: true });
  const names = new Set<string>();
  for await (const entry of zip.eachEntry()) names.add(entry.fileName);
  expect([names.size, [...names].at(-1)]).toEqual([20_000, "step/report (20000).json"]);
}, 60_000);
