import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createPartHolders, PART_BYTES } from "./part-holders.ts";
import { cutIntoParts, type Part } from "./parts.ts";

let spool: string;
beforeAll(async () => {
  spool = await mkdtemp(join(tmpdir(), "filemill-spool-"));
});
afterAll(async () => {
  await rm(spool, { recursive: true });
});

function* chunksOf(content: Buffer): Generator<Buffer> {
  for (let start = 0; start < content.length; start += 65_536) yield content.subarray(start, start + 65_536);
}

it.each([
  ["in memory", 4],
  ["in files", 0],
])("parts %s are the content, as often as they are read, and leave nothing behind", async (_where, inMemory) => {
  const holders = createPartHolders(spool, { inMemory });
  const content = randomBytes(2 * PART_BYTES + 1_000);
  const parts: Part[] = [];
  for await (const part of cutIntoParts(Readable.from(chunksOf(content)), { holders, release: undefined })) parts.push(part);
  expect(parts.map(({ sizeBytes, isLast }) => [sizeBytes, isLast])).toEqual([
    [PART_BYTES, false],
    [PART_BYTES, false],
    [1_000, true],
  ]);
  expect(await readdir(spool)).toEqual([]);
  for (const _time of [1, 2]) {
    const read = await Promise.all(parts.map((part) => buffer(part.body())));
    expect(Buffer.concat(read).equals(content)).toBe(true);
  }
  await Promise.all(parts.map((part) => part.free()));
});

it("memory that is freed is used again, memory that is dropped is not", async () => {
  const holders = createPartHolders(spool, { inMemory: 1 });
  const first = await holders.take();
  await first.write(Buffer.from("secret of the first"));
  await first.drop();
  const second = await holders.take();
  expect((await buffer(Readable.from(second.read()))).length).toBe(0);
  await second.write(Buffer.from("of the second"));
  expect((await buffer(Readable.from(second.read()))).toString()).toBe("of the second");
  await second.free();
});

it("takes what is over the limit to files, and comes back to memory", async () => {
  const holders = createPartHolders(spool, { inMemory: 1 });
  const inMemory = await holders.take();
  const inFile = await holders.take();
  for (const holder of [inMemory, inFile]) {
    await holder.write(Buffer.from("a"));
    await holder.write(Buffer.from("b"));
    expect((await buffer(Readable.from(holder.read()))).toString()).toBe("ab");
  }
  await inMemory.free();
  await inFile.free();
  await expect(buffer(Readable.from(inFile.read()))).rejects.toThrow();
});
