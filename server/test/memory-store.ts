import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { StorageError } from "../src/errors.ts";
import { keyParts } from "../src/storage/keys.ts";
import type { ObjectStore } from "../src/storage/object-store.ts";
import { STORAGE_CLASSES, type StorageClass } from "@filemill/contract/storage-class.ts";

interface KeptObject {
  readonly content: Buffer;
  readonly modifiedAt: Date;
  storageClass: StorageClass;
}

/** What an object store means, in the fewest words: the model that real backends are compared with. Buffers everything. */
export function createMemoryStore(name = "memory"): ObjectStore {
  const objects = new Map<string, KeptObject>();

  function find(key: string): KeptObject {
    keyParts(key);
    const found = objects.get(key);
    if (found === undefined) throw new StorageError("not_found", `there is no object ${key}`);
    return found;
  }

  function add(key: string, content: Buffer, storageClass: StorageClass = "hot"): void {
    if (objects.has(key)) throw new StorageError("exists", `the key ${key} is taken`);
    objects.set(key, { content, modifiedAt: new Date(), storageClass });
  }

  return {
    name,
    classes: STORAGE_CLASSES,
    async put(key, content, { signal, storageClass } = {}) {
      keyParts(key);
      const chunks: Buffer[] = [];
      await pipeline(
        content,
        async (source: AsyncIterable<Buffer | string>) => {
          for await (const chunk of source) chunks.push(Buffer.from(chunk));
        },
        signal === undefined ? {} : { signal },
      );
      add(key, Buffer.concat(chunks), storageClass);
      return { sizeBytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0) };
    },
    async get(key, { range } = {}) {
      const { content } = find(key);
      const wanted = Buffer.from(range === undefined ? content : content.subarray(range.start, range.end + 1));
      return Readable.from(wanted.length === 0 ? [] : [wanted]);
    },
    async head(key) {
      keyParts(key);
      const found = objects.get(key);
      return found && { sizeBytes: found.content.length, modifiedAt: found.modifiedAt, storageClass: found.storageClass };
    },
    async delete(key) {
      keyParts(key);
      objects.delete(key);
    },
    async *list(prefix) {
      for (const [key, { content, modifiedAt }] of [...objects]) {
        if (key.startsWith(prefix)) yield { key, sizeBytes: content.length, modifiedAt };
      }
    },
    async copy(from, to) {
      keyParts(to);
      add(to, find(from).content);
    },
    async setClass(key, storageClass) {
      find(key).storageClass = storageClass;
      return "done";
    },
    async presign() {
      return undefined;
    },
    async tidy() {
      return 0;
    },
    async close() {},
  };
}
