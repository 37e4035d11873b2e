import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { StorageError } from "../../errors.ts";
import { createPartHolders, PART_BYTES } from "./part-holders.ts";
import { putInParts, type PartWriter } from "./put-in-parts.ts";

const holders = createPartHolders(tmpdir());
const CONTENT = randomBytes(2 * PART_BYTES + 5);
const taken = () => new StorageError("exists", "the key is taken");

/** A store with one key. What is put there in parts is theirs once it is complete. */
function openPlace(overrides: Partial<PartWriter> = {}) {
  const place = { object: undefined as Buffer | undefined, isOurs: true, parts: [] as Buffer[], told: [] as string[] };
  const writer: PartWriter = {
    what: "put it",
    async putWhole(part) {
      place.object = await buffer(part.body());
    },
    async begin() {},
    async putPart(part, { number }) {
      place.parts[number] = await buffer(part.body());
    },
    async complete() {
      place.object = Buffer.concat(place.parts);
    },
    find: async () => place.object && { isOurs: place.isOurs, sizeBytes: place.object.length },
    async abandon() {
      place.told.push("abandoned");
    },
    async remove() {
      place.told.push("removed");
      place.object = undefined;
    },
    ...overrides,
  };
  const put = (content: Iterable<Buffer> | AsyncIterable<Buffer>) => putInParts(Readable.from(content), { writer, holders });
  return { place, put };
}

describe("a put in parts", () => {
  it.each([0, 1, PART_BYTES, PART_BYTES + 1, CONTENT.length])("keeps %i bytes", async (sizeBytes) => {
    const { place, put } = openPlace();
    const content = CONTENT.subarray(0, sizeBytes);
    expect(await put([content])).toEqual({ sizeBytes });
    expect(place.object?.equals(content)).toBe(true);
    expect(place.told).toEqual([]);
  });

  it.each([10, CONTENT.length])("of %i bytes is done where its answer was lost, and not where the key is another's", async (sizeBytes) => {
    const ours = openPlace({
      async putWhole(part) {
        ours.place.object = await buffer(part.body());
        throw taken();
      },
      async complete() {
        ours.place.object = Buffer.concat(ours.place.parts);
        throw new StorageError("not_found", "there is no such upload");
      },
    });
    expect(await ours.put([CONTENT.subarray(0, sizeBytes)])).toEqual({ sizeBytes });

    const refuse = () => Promise.reject(taken());
    const theirs = openPlace({ putWhole: refuse, complete: refuse });
    theirs.place.object = randomBytes(sizeBytes);
    theirs.place.isOurs = false;
    await expect(theirs.put([CONTENT.subarray(0, sizeBytes)])).rejects.toMatchObject({ code: "exists" });
    expect(theirs.place.told).not.toContain("removed");
  });

  it("does not count where the store has another size or other bytes, and removes what it made", async () => {
    const short = openPlace({
      async complete() {
        short.place.object = Buffer.concat(short.place.parts).subarray(1);
      },
    });
    await expect(short.put([CONTENT])).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("were sent") });
    const other = openPlace({ find: async () => ({ isOurs: true, sizeBytes: CONTENT.length, md5OfMd5s: "0".repeat(32) }) });
    await expect(other.put([CONTENT])).rejects.toMatchObject({ code: "unavailable" });
  });

  it("ends the part that is on its way before it abandons the others, or that part would stay", async () => {
    const order: string[] = [];
    const { put } = openPlace({
      putPart: (_part, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => setImmediate(() => (order.push("part ended"), reject(signal.reason))));
        }),
      async abandon() {
        order.push("abandoned");
      },
    });
    async function* broken() {
      yield CONTENT.subarray(0, PART_BYTES + 1);
      throw new Error("the client went away");
    }
    await expect(put(broken())).rejects.toThrow("the client went away");
    expect(order).toEqual(["part ended", "abandoned"]);
  });
});
