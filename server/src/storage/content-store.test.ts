import { randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { contentsIn } from "../../test/contents-in.ts";
import { createMemoryStore } from "../../test/memory-store.ts";
import type { ObjectStore } from "./object-store.ts";

const TENANT = "0193f0aa-0000-7000-8000-000000000001";
const FILE = "0193f0aa-0000-7000-8000-00000000000f";
const place = { tenantId: TENANT, fileId: FILE, epoch: 0 };

let store: ObjectStore;
beforeEach(() => {
  store = createMemoryStore();
});

async function* once(...chunks: Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}

describe("a segment of its own", () => {
  it("is read back as a part of its file, in the order of the manifest", async () => {
    const contents = contentsIn(store);
    const parts = [randomBytes(5), randomBytes(100_000), randomBytes(1)];
    const segments = [];
    for (const [segment, part] of parts.entries()) {
      const stored = await contents.writeSegment(once(part.subarray(0, 3), part.subarray(3)), { ...place, segment });
      expect(stored).toMatchObject({ store: "memory", key: `${TENANT}/${FILE}/0/${segment}`, sizeBytes: part.length });
      if (stored) segments.push(stored);
    }
    expect(new Set(segments.map(({ objectId }) => objectId)).size).toBe(3);
    const manifest = { id: FILE, tenantId: TENANT, sizeBytes: 100_006, inline: null, segments };
    expect((await buffer(await contents.read(manifest))).equals(Buffer.concat(parts))).toBe(true);
  });

  it("is none where the stream was empty", async () => {
    expect(await contentsIn(store).writeSegment(once(Buffer.alloc(0)), { ...place, segment: 0 })).toBeUndefined();
    expect(await Array.fromAsync(store.list(""))).toEqual([]);
  });

  it("leaves nothing where its stream fails, and passes the error on", async () => {
    const failure = new Error("the client went away");
    async function* broken() {
      yield randomBytes(10);
      throw failure;
    }
    await expect(contentsIn(store).writeSegment(broken(), { ...place, segment: 0 })).rejects.toBe(failure);
    expect(await Array.fromAsync(store.list(""))).toEqual([]);
  });

  it("is gone once it was discarded; a store that is not configured is no error", async () => {
    const contents = contentsIn(store);
    const stored = await contents.writeSegment(once(randomBytes(10)), { ...place, segment: 0 });
    await contents.discard({ segments: [...(stored ? [stored] : []), { store: "elsewhere", key: "a/b" }] });
    expect(await Array.fromAsync(store.list(""))).toEqual([]);
  });
});

describe("a range of sealed segments", () => {
  const sizes = [40_000, 16_384, 5, 70_000];
  const total = sizes.reduce((sum, size) => sum + size, 0);

  it("is exactly those bytes, of which only the chunks around them were fetched", async () => {
    let fetched = 0;
    const counting: ObjectStore = {
      ...store,
      async get(key, options) {
        const stream = await store.get(key, options);
        stream.on("data", (chunk: Buffer) => (fetched += chunk.length));
        return stream;
      },
    };
    const contents = contentsIn(counting);
    const parts = sizes.map((size) => randomBytes(size));
    const segments = [];
    for (const [segment, part] of parts.entries()) {
      const stored = await contents.writeSegment(once(Buffer.from(part)), { ...place, segment });
      if (stored) segments.push(stored);
    }
    const manifest = { id: FILE, tenantId: TENANT, sizeBytes: total, inline: null, segments };
    const offset = fc.integer({ min: 0, max: total - 1 });
    await fc.assert(
      fc.asyncProperty(offset, offset, async (one, other) => {
        const range = { start: Math.min(one, other), end: Math.max(one, other) };
        fetched = 0;
        const read = await buffer(await contents.read(manifest, { range }));
        expect(read.equals(Buffer.concat(parts).subarray(range.start, range.end + 1))).toBe(true);
        // A chunk at each end of the range in every segment, and the heads.
        expect(fetched).toBeLessThanOrEqual(read.length + sizes.length * (2 * 16_400 + 600) + read.length / 1_000);
      }),
      { numRuns: 100 },
    );
  });
});
