import { createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openSecond, sealSecond } from "../../../test/encrypt/second-implementation.ts";
import { chunkCount, chunkOffset, CHUNK_BYTES, messageBytes } from "./layout.ts";
import { chunkNonce, deriveMessageKey } from "./message-key.ts";
import { openBytes, openChunks, openHead } from "./open.ts";
import { encodePrefix } from "./prefix.ts";
import { seal, sealBytes } from "./seal.ts";
import { UnsealError } from "./unseal-error.ts";
import file from "./vectors.json" with { type: "json" };

const tenantId = "0193f0aa-0000-7000-8000-000000000001";
const objectId = "0193f0aa-0000-7000-8000-00000000000f";
const name = { tenantId, objectId, segment: 3 };
const SEALED_CHUNK = 16_400;
const HEAD = encodePrefix(name).length + 56;

const contentOf = (sizeBytes: number) => Buffer.from(Uint8Array.from({ length: sizeBytes }, (_unused, index) => index % 251));
const hex = (text: string) => Buffer.from(text, "hex");

async function* inPieces(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let start = 0, turn = 0; start < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield Buffer.from(new Uint8Array(bytes.subarray(start, start + size)).buffer);
    start += size;
  }
}

async function sealStream(content: Buffer, dek: Buffer, sizes: readonly number[]): Promise<{ sealed: Buffer; told: number }> {
  let told = -1;
  const onEnd = (sizeBytes: number) => {
    told = sizeBytes;
  };
  const parts = await Array.fromAsync(seal(inPieces(content, sizes), { name, dek, onEnd }));
  return { sealed: Buffer.concat(parts), told };
}

/** Chunks `firstChunk` to `lastChunk` of a sealed object, whose bytes come in pieces of those sizes. */
async function openStream(
  sealed: Buffer,
  given: { dek: Buffer; sizeBytes: number; sizes?: readonly number[]; firstChunk?: number; lastChunk?: number },
): Promise<Buffer> {
  const { dek, sizeBytes, sizes = [65_536], firstChunk = 0, lastChunk = chunkCount(sizeBytes) - 1 } = given;
  const { messageKey, prefixBytes } = openHead(sealed.subarray(0, 256), { tenantId, objectId, dek });
  const stored = sealed.subarray(prefixBytes + chunkOffset(firstChunk));
  const parts: Buffer[] = [];
  for await (const part of openChunks(inPieces(stored, sizes), { messageKey, sizeBytes, firstChunk, lastChunk })) parts.push(part);
  return Buffer.concat(parts);
}

describe("the vectors", () => {
  it.each(file.vectors)("$sizeBytes bytes", async ({ sizeBytes, segment, ...vector }) => {
    const sealing = { ...vector, segment, dek: hex(vector.dek), salt: hex(vector.salt) };
    const content = contentOf(sizeBytes);
    const sealed = Buffer.from(await sealSecond(content, sealing));
    expect(sealed).toHaveLength(vector.sealedBytes);
    expect(createHash("sha256").update(sealed).digest("hex")).toBe(vector.sealedSha256);
    if (vector.sealed !== undefined) expect(sealed.toString("hex")).toBe(vector.sealed);
    expect(openBytes(sealed, { ...sealing, sizeBytes }).equals(content)).toBe(true);
  });

  it("are of one format: what we seal, the second implementation opens", async () => {
    for (const sizeBytes of [0, 5, 16_383, 16_384, 40_000]) {
      const content = randomBytes(sizeBytes);
      const dek = randomBytes(32);
      for (const sealed of [sealBytes(content, { name, dek }), (await sealStream(content, dek, [777, 30_000])).sealed]) {
        expect(Buffer.from(await openSecond(sealed, { ...name, dek })).equals(content)).toBe(true);
      }
    }
  });

  it("number chunks beyond 2³² as the specification does", () => {
    const messageKey = deriveMessageKey(Buffer.alloc(32), { salt: Buffer.alloc(24), prefix: encodePrefix(name) });
    const differences = [0, 1, 2 ** 32, 2 ** 38 - 1].map((index) => {
      const nonce = chunkNonce(messageKey, index);
      return Buffer.from(nonce.map((byte, at) => byte ^ (messageKey.baseNonce[at] ?? 0))).toString("hex");
    });
    expect(differences).toEqual([
      "000000000000000000000000",
      "000000000000000000000001",
      "000000000000000100000000",
      "000000000000003fffffffff",
    ]);
    expect(() => chunkNonce(messageKey, 2 ** 38)).toThrow(RangeError);
  });
});

const sizes = fc.oneof(
  fc.integer({ min: 0, max: 90_000 }),
  fc.constantFrom(0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 16 * CHUNK_BYTES, 16 * CHUNK_BYTES + 1, 17 * CHUNK_BYTES),
);
const cuts = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 5 });

describe("sealing and opening", () => {
  it("gives back any content, whatever the pieces it comes in", async () => {
    await fc.assert(
      fc.asyncProperty(sizes, cuts, cuts, async (sizeBytes, into, from) => {
        const content = contentOf(sizeBytes);
        const dek = randomBytes(32);
        const { sealed, told } = await sealStream(content, dek, into);
        expect(told).toBe(sizeBytes);
        expect(sealed).toHaveLength(HEAD - 56 + messageBytes(sizeBytes));
        expect((await openStream(sealed, { dek, sizeBytes, sizes: from })).equals(content)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("opens any chunks by themselves", async () => {
    const content = contentOf(20 * CHUNK_BYTES + 100);
    const dek = randomBytes(32);
    const { sealed } = await sealStream(content, dek, [65_536]);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 20 }), cuts, async (one, other, from) => {
        const [firstChunk, lastChunk] = [Math.min(one, other), Math.max(one, other)];
        const opened = await openStream(sealed, { dek, sizeBytes: content.length, sizes: from, firstChunk, lastChunk });
        expect(opened.equals(content.subarray(firstChunk * CHUNK_BYTES, (lastChunk + 1) * CHUNK_BYTES))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("never seals two chunks with one nonce, nor two objects with one key stream", async () => {
    const zeros = Buffer.alloc(40 * CHUNK_BYTES);
    const dek = randomBytes(32);
    const seen = new Set<string>();
    for (const sealed of [
      sealBytes(zeros, { name, dek }),
      sealBytes(zeros, { name, dek }),
      (await sealStream(zeros, dek, [65_536])).sealed,
    ]) {
      for (let start = HEAD; start + SEALED_CHUNK <= sealed.length; start += SEALED_CHUNK) {
        seen.add(sealed.toString("hex", start, start + 32));
      }
    }
    expect(seen.size).toBe(3 * 40);
  });

  it("gives a chunk of the content back as soon as it is sealed, and each once", async () => {
    const released: number[] = [];
    const release = (chunk: Buffer) => void released.push(chunk.length);
    const content = inPieces(contentOf(100_000), [30_000]);
    for await (const _sealed of seal(content, { name, dek: randomBytes(32), onEnd: () => {}, release }));
    expect(released).toEqual([30_000, 30_000, 30_000, 10_000]);
  });

  it("passes on the error of its source", async () => {
    const failure = new Error("the client went away");
    async function* broken() {
      yield randomBytes(50_000);
      throw failure;
    }
    const sealing = async () => {
      for await (const _sealed of seal(broken(), { name, dek: randomBytes(32), onEnd: () => {} }));
    };
    await expect(sealing()).rejects.toBe(failure);
  });
});

describe("what was changed", () => {
  const sizeBytes = 50_000;
  const content = contentOf(sizeBytes);
  const dek = randomBytes(32);
  const sealed = sealBytes(content, { name, dek });

  it("is found wherever one bit differs, before a byte of that chunk comes out", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: sealed.length * 8 - 1 }), cuts, async (bit, from) => {
        const flipped = Buffer.from(sealed);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(() => openBytes(flipped, { tenantId, objectId, dek, sizeBytes })).toThrow(UnsealError);
        const chunk = Math.floor(((bit >> 3) - HEAD) / SEALED_CHUNK);
        const out = await untilFailure(flipped, from);
        expect(out.length).toBeLessThanOrEqual(Math.max(0, chunk) * CHUNK_BYTES);
        expect(out.equals(content.subarray(0, out.length))).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it("is found wherever it was cut, and where anything was added", async () => {
    const lengths = [
      ...Array.from({ length: 300 }, (_unused, index) => index),
      HEAD + SEALED_CHUNK,
      HEAD + 2 * SEALED_CHUNK,
      sealed.length - 1,
    ];
    for (const length of lengths) {
      expect(() => openBytes(sealed.subarray(0, length), { tenantId, objectId, dek, sizeBytes })).toThrow(UnsealError);
      await untilFailure(sealed.subarray(0, length), [65_536]);
    }
    for (const tail of [Buffer.of(0), randomBytes(SEALED_CHUNK), sealed.subarray(HEAD, HEAD + SEALED_CHUNK)]) {
      const out = await untilFailure(Buffer.concat([sealed, tail]), [65_536]);
      expect(out.equals(content.subarray(0, out.length))).toBe(true);
    }
  });

  it("is found where chunks change places", async () => {
    const chunk = (index: number) => sealed.subarray(HEAD + index * SEALED_CHUNK, HEAD + (index + 1) * SEALED_CHUNK);
    const swapped = Buffer.concat([sealed.subarray(0, HEAD), chunk(1), chunk(0), ...[2, 3].map(chunk)]);
    expect(await untilFailure(swapped, [65_536])).toHaveLength(0);
  });

  it("is found where it is another object, was sealed with another key, or is no sealed object", () => {
    const open = (bytes: Buffer, given = {}) => openBytes(bytes, { tenantId, objectId, dek, sizeBytes, ...given });
    const other = "0193f0aa-0000-7000-8000-0000000000ff";
    expect(() => open(sealed, { objectId: other })).toThrow("it is another object");
    expect(() => open(sealed, { tenantId: other })).toThrow("it is another object");
    expect(() => open(sealed, { dek: randomBytes(32) })).toThrow("another key");
    expect(() => open(sealBytes(content, { name: { ...name, objectId: other }, dek }))).toThrow("it is another object");
    expect(() => open(content)).toThrow("does not begin as a sealed object");
    expect(() => open(sealed, { sizeBytes: sizeBytes - 1 })).toThrow(UnsealError);
    expect(() => open(sealed, { sizeBytes: sizeBytes + 1 })).toThrow(UnsealError);
  });

  it("is found where the header says another segment than was sealed", () => {
    const prefix = encodePrefix({ ...name, segment: 4 });
    expect(() => openBytes(Buffer.concat([prefix, sealed.subarray(prefix.length)]), { tenantId, objectId, dek, sizeBytes })).toThrow(
      UnsealError,
    );
  });

  /** What comes out of a stream before it fails, as it must. */
  async function untilFailure(bytes: Buffer, from: readonly number[]): Promise<Buffer> {
    const parts: Buffer[] = [];
    const opening = async () => {
      const { messageKey, prefixBytes } = openHead(bytes.subarray(0, 256), { tenantId, objectId, dek });
      const stored = inPieces(bytes.subarray(prefixBytes + 56), from);
      for await (const part of openChunks(stored, { messageKey, sizeBytes, firstChunk: 0, lastChunk: chunkCount(sizeBytes) - 1 }))
        parts.push(part);
    };
    await expect(opening()).rejects.toBeInstanceOf(UnsealError);
    return Buffer.concat(parts);
  }
});
