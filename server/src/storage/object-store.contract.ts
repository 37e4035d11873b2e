import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { StorageError } from "../errors.ts";
import type { ObjectStore } from "./object-store.ts";

/** What every object store promises. `open` gives an empty one; the suite closes it. */
export function objectStoreContract(name: string, open: () => Promise<ObjectStore>): void {
  describe(`object store contract: ${name}`, () => {
    let store: ObjectStore;
    let made = 0;
    const newKey = () => `tenant-a/contract-${++made}/0/0`;

    beforeAll(async () => {
      store = await open();
    });
    afterAll(async () => {
      await store.close();
    });

    it("gives back what was put, and its size", async () => {
      const key = newKey();
      const content = randomBytes(3_000_000);
      expect(await store.put(key, Readable.from(chunksOf(content)))).toEqual({ sizeBytes: content.length });
      expect((await buffer(await store.get(key))).equals(content)).toBe(true);
      expect(await store.head(key)).toMatchObject({ sizeBytes: content.length });
    });

    it("gives no chunk back before it is stored, and none twice", async () => {
      const key = newKey();
      const content = randomBytes(3_000_000);
      const chunks = Array.from(chunksOf(content), (chunk) => Buffer.from(chunk));
      const released = new Set<ArrayBufferLike>();
      const release = (chunk: Buffer) => {
        expect(released.has(chunk.buffer)).toBe(false);
        released.add(chunk.buffer);
        chunk.fill(0);
      };
      await store.put(key, Readable.from(chunks, { objectMode: false }), { release });
      expect((await buffer(await store.get(key))).equals(content)).toBe(true);
    });

    it("gives every reader chunks of its own", async () => {
      const key = newKey();
      const content = randomBytes(1_000_000);
      await store.put(key, Readable.from(chunksOf(content)));
      for await (const chunk of await store.get(key)) chunk.fill(0);
      expect((await buffer(await store.get(key))).equals(content)).toBe(true);
    });

    it("keeps an empty object", async () => {
      const key = newKey();
      expect(await store.put(key, Readable.from([]))).toEqual({ sizeBytes: 0 });
      expect(await buffer(await store.get(key))).toHaveLength(0);
      expect(await store.head(key)).toMatchObject({ sizeBytes: 0 });
    });

    it.each([
      [0, 0, "0"],
      [0, 9, "0123456789"],
      [3, 5, "345"],
      [9, 9, "9"],
      [7, 100, "789"],
    ])("gives bytes %i to %i inclusive", async (start, end, expected) => {
      const key = newKey();
      await store.put(key, Readable.from([Buffer.from("0123456789")]));
      expect((await buffer(await store.get(key, { range: { start, end } }))).toString()).toBe(expected);
    });

    it("refuses a key that is taken, and keeps the first content", async () => {
      const key = newKey();
      await store.put(key, Readable.from([Buffer.from("first")]));
      await expect(store.put(key, Readable.from([Buffer.from("second")]))).rejects.toMatchObject({ code: "exists" });
      expect((await buffer(await store.get(key))).toString()).toBe("first");
    });

    it("lets exactly one of many puts of one key win", async () => {
      const key = newKey();
      const puts = Array.from({ length: 8 }, (_, index) => store.put(key, Readable.from([Buffer.from(`content ${index}`)])));
      const results = await Promise.allSettled(puts);
      expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      const winner = results.findIndex(({ status }) => status === "fulfilled");
      expect((await buffer(await store.get(key))).toString()).toBe(`content ${winner}`);
    });

    it("shows nothing of a put whose source fails, and passes the source's error on", async () => {
      const key = newKey();
      const failure = new Error("the client went away");
      async function* broken() {
        yield randomBytes(200_000);
        throw failure;
      }
      await expect(store.put(key, Readable.from(broken()))).rejects.toBe(failure);
      await expectAbsent(store, key);
    });

    it("shows nothing of a put that is aborted, and ends its source", async () => {
      const key = newKey();
      const abort = new AbortController();
      const source = new Readable({ read() {} });
      source.push(randomBytes(100_000));
      const put = store.put(key, source, { signal: abort.signal });
      abort.abort();
      await expect(put).rejects.toMatchObject({ name: "AbortError" });
      expect(source.destroyed).toBe(true);
      await expectAbsent(store, key);
    });

    it("shows nothing while a put is under way", async () => {
      const key = newKey();
      let finish: () => void = () => {};
      const finished = new Promise<void>((resolve) => {
        finish = resolve;
      });
      async function* slow() {
        yield randomBytes(300_000);
        await expectAbsent(store, key);
        finish();
        yield randomBytes(10);
      }
      const put = store.put(key, Readable.from(slow()));
      await finished;
      await put;
      expect(await store.head(key)).toMatchObject({ sizeBytes: 300_010 });
    });

    it("says not_found before any byte", async () => {
      await expect(store.get(newKey())).rejects.toMatchObject({ code: "not_found" });
      await expect(store.copy(newKey(), newKey())).rejects.toMatchObject({ code: "not_found" });
      expect(await store.head(newKey())).toBeUndefined();
    });

    it("deletes, once and again", async () => {
      const key = newKey();
      await store.put(key, Readable.from([Buffer.from("x")]));
      await store.delete(key);
      await store.delete(key);
      await expectAbsent(store, key);
      await store.put(key, Readable.from([Buffer.from("again")]));
      expect((await buffer(await store.get(key))).toString()).toBe("again");
    });

    it("copies into an object of its own", async () => {
      const [from, to] = [newKey(), newKey()];
      await store.put(from, Readable.from([Buffer.from("kept")]));
      await store.copy(from, to);
      await expect(store.copy(from, to)).rejects.toMatchObject({ code: "exists" });
      await store.delete(from);
      expect((await buffer(await store.get(to))).toString()).toBe("kept");
    });

    it("moves an object between its classes without changing it", async () => {
      const key = newKey();
      const content = randomBytes(300_000);
      await store.put(key, Readable.from(chunksOf(content)), { storageClass: "cold" });
      for (const storageClass of ["cold", "hot", "archive", "cold", "hot"] as const) {
        expect(await store.setClass(key, storageClass)).toBe("done");
        const expected = store.classes.includes(storageClass) ? storageClass : "hot";
        expect(await store.head(key)).toMatchObject({ sizeBytes: content.length, storageClass: expected });
        if (storageClass !== "archive") expect((await buffer(await store.get(key))).equals(content)).toBe(true);
        expect(await Array.fromAsync(store.list(key), (object) => object.key)).toEqual([key]);
        await expect(store.put(key, Readable.from([Buffer.from("other")]))).rejects.toMatchObject({ code: "exists" });
      }
      await expect(store.setClass(newKey(), "cold")).rejects.toMatchObject({ code: "not_found" });
      await store.setClass(key, "cold");
      await store.delete(key);
      await expectAbsent(store, key);
    });

    it("lists exactly the keys under a prefix", async () => {
      const keys = [
        "listed/aaaaaaaaaaaa/0/0",
        "listed/aaaaaaaaaaaa/0/1",
        "listed/aaaaaaaaaaab/0/0",
        "listed/b",
        "listed",
        "listed-too/a/0/0",
      ];
      for (const key of keys) await store.put(key, Readable.from([Buffer.from(key)]));
      for (const prefix of [
        "listed",
        "listed/",
        "listed/a",
        "listed/aaaaaaaaaaaa/",
        "listed/aaaaaaaaaaaa/0/1",
        "listed/b",
        "listed-",
        "nothing",
      ]) {
        const listed = await Array.fromAsync(store.list(prefix));
        expect(listed.map(({ key }) => key).toSorted(), prefix).toEqual(keys.filter((key) => key.startsWith(prefix)).toSorted());
        for (const object of listed) expect(object.sizeBytes).toBe(object.key.length);
      }
    });

    it.each(["", "/a", "a/", "a//b", "../a", "a/../b", "A/b", "a b", "a.b", "a_b", "a\0b", "é/a", "a".repeat(201)])(
      "refuses the key %j",
      async (key) => {
        await expect(store.put(key, Readable.from([]))).rejects.toThrow(TypeError);
        await expect(store.get(key)).rejects.toThrow(TypeError);
        await expect(store.head(key)).rejects.toThrow(TypeError);
        await expect(store.delete(key)).rejects.toThrow(TypeError);
      },
    );

    it("lets a reader go in the middle", async () => {
      const key = newKey();
      const content = randomBytes(4_000_000);
      await store.put(key, Readable.from(chunksOf(content)));
      const stream = await store.get(key);
      for await (const chunk of stream) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
      expect(stream.destroyed).toBe(true);
      const whole = createHash("sha256");
      for await (const chunk of await store.get(key)) whole.update(chunk);
      expect(whole.digest("hex")).toBe(createHash("sha256").update(content).digest("hex"));
    });
  });
}

async function expectAbsent(store: ObjectStore, key: string): Promise<void> {
  expect(await store.head(key)).toBeUndefined();
  await expect(store.get(key)).rejects.toBeInstanceOf(StorageError);
  expect(await Array.fromAsync(store.list(key))).toEqual([]);
}

function* chunksOf(content: Buffer): Generator<Buffer> {
  for (let start = 0; start < content.length; start += 65_536) yield content.subarray(start, start + 65_536);
}
