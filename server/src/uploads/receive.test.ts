import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { beforeEach, describe, expect, it } from "vitest";
import { contentsIn, manifestOf } from "../../test/contents-in.ts";
import { createMemoryStore } from "../../test/memory-store.ts";
import { StorageError } from "../errors.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { receiveFile, type Reception } from "./receive.ts";
import type { StoredFile } from "../record/files.ts";
import { MAX_INLINE_BYTES, MAX_SEGMENT_BYTES } from "../storage/stored-content.ts";

const TENANT = "0193f0aa-0000-7000-8000-000000000001";
const GONE = new Error("the client went away");

let store: ObjectStore;
beforeEach(() => {
  store = createMemoryStore();
});

function receive(content: Readable, more: Partial<Reception> = {}): Promise<StoredFile> {
  return receiveFile(content, { contents: contentsIn(store), tenantId: TENANT, name: "a.bin", metadata: {}, maxBytes: 2 ** 40, ...more });
}

function* repeated(chunk: Buffer, sizeBytes: number, end?: Error): Generator<Buffer> {
  for (let sent = 0; sent < sizeBytes; sent += chunk.length) yield chunk.subarray(0, sizeBytes - sent);
  if (end) throw end;
}

const keysIn = (of: ObjectStore) => Array.fromAsync(of.list(""), ({ key }) => key);

describe("receiving a file", () => {
  it.each([0, 1, MAX_INLINE_BYTES])("keeps %i bytes for the row, and nothing in the store", async (sizeBytes) => {
    const content = randomBytes(sizeBytes);
    const file = await receive(Readable.from([content]));
    expect(file).toMatchObject({ sizeBytes, sha256: createHash("sha256").update(content).digest() });
    expect((await contentsIn(store).bytes(manifestOf(file))).equals(content)).toBe(true);
    if ("inline" in file.content) expect(file.content.inline.includes(content) && sizeBytes > 8).toBe(false);
    expect("inline" in file.content).toBe(true);
    expect(await keysIn(store)).toEqual([]);
  });

  it("stores one byte more as an object under our own key", async () => {
    const file = await receive(Readable.from([randomBytes(MAX_INLINE_BYTES + 1)]));
    const key = `${TENANT}/${file.id}/0/0`;
    expect(file.content).toMatchObject({ segments: [{ store: "memory", key, sizeBytes: MAX_INLINE_BYTES + 1 }] });
    expect(await keysIn(store)).toEqual([key]);
  });

  it.each([
    ["exactly one segment", MAX_SEGMENT_BYTES, [MAX_SEGMENT_BYTES]],
    ["one byte over", MAX_SEGMENT_BYTES + 1, [MAX_SEGMENT_BYTES, 1]],
    ["three segments", 2 * MAX_SEGMENT_BYTES + 777, [MAX_SEGMENT_BYTES, MAX_SEGMENT_BYTES, 777]],
  ])("cuts segments of 64 MiB: %s", async (_label, sizeBytes, expected) => {
    const chunk = randomBytes(1_000_003);
    const file = await receive(Readable.from(repeated(chunk, sizeBytes)));
    expect("segments" in file.content && file.content.segments.map((segment) => segment.sizeBytes)).toEqual(expected);
    const hash = createHash("sha256");
    for (const part of repeated(chunk, sizeBytes)) hash.update(part);
    const sha256 = hash.digest();
    expect(file.sha256.equals(sha256)).toBe(true);
    const back = await buffer(await contentsIn(store).read(manifestOf(file)));
    expect(createHash("sha256").update(back).digest().equals(sha256)).toBe(true);
    const range = { start: MAX_SEGMENT_BYTES - 10, end: Math.min(MAX_SEGMENT_BYTES + 10, sizeBytes - 1) };
    expect(
      (await buffer(await contentsIn(store).read(manifestOf(file), { range }))).equals(back.subarray(range.start, range.end + 1)),
    ).toBe(true);
  });
});

describe("a file that can't be received leaves nothing", () => {
  const chunk = randomBytes(1_000_000);
  const large = MAX_SEGMENT_BYTES + 5_000_000;
  it.each([
    ["announced too large", { maxBytes: 10, expectedBytes: 11 }, () => Readable.from([chunk]), { code: "file_too_large" }],
    ["too large on the way", { maxBytes: large }, () => Readable.from(repeated(chunk, large + 1)), { code: "file_too_large" }],
    ["shorter than announced", { expectedBytes: large + 1 }, () => Readable.from(repeated(chunk, large)), { code: "length_mismatch" }],
    ["longer than announced", { expectedBytes: large - 1 }, () => Readable.from(repeated(chunk, large)), { code: "length_mismatch" }],
    ["small and shorter than announced", { expectedBytes: 9 }, () => Readable.from([Buffer.from("12345678")]), { code: "length_mismatch" }],
    ["client gone in the first segment", {}, () => Readable.from(repeated(chunk, 5_000_000, GONE)), GONE],
    ["client gone in the second segment", {}, () => Readable.from(repeated(chunk, large, GONE)), GONE],
    ["client gone in what would be inline", {}, () => Readable.from(repeated(Buffer.from("x"), 10, GONE)), GONE],
  ])("%s", async (_label, more, content, expected) => {
    await expect(receive(content(), more)).rejects.toMatchObject(expected);
    expect(await keysIn(store)).toEqual([]);
  });

  it("takes exactly as much as is allowed", async () => {
    expect((await receive(Readable.from([Buffer.from("12345678")]), { maxBytes: 8, expectedBytes: 8 })).sizeBytes).toBe(8);
  });

  it.each([0, 1])("store full at segment %i", async (failing) => {
    let puts = 0;
    const full: ObjectStore = {
      ...store,
      put: (key, content, options) => {
        if (puts++ !== failing) return store.put(key, content, options);
        content.destroy();
        return Promise.reject(new StorageError("disk_full", "no space"));
      },
    };
    await expect(receive(Readable.from(repeated(chunk, 3 * MAX_SEGMENT_BYTES)), { contents: contentsIn(full) })).rejects.toMatchObject({
      code: "disk_full",
    });
    expect(await keysIn(store)).toEqual([]);
  });

  it("aborted by its signal", async () => {
    const abort = new AbortController();
    async function* endless() {
      for (let sent = 0; ; sent++) {
        if (sent === 20) abort.abort();
        yield chunk;
      }
    }
    await expect(receive(Readable.from(endless()), { signal: abort.signal })).rejects.toMatchObject({ name: "AbortError" });
    expect(await keysIn(store)).toEqual([]);
  });
});
