import { StorageError } from "../errors.ts";
import type { ObjectHead, ObjectStore } from "./object-store.ts";
import type { StorageClass } from "@filemill/contract/storage-class.ts";

/**
 * One store made of several, one for each class: for disks, where a class is another folder. An object is in one of them,
 * and while it moves in two, which are alike.
 */
export function createTieredStore(name: string, tiers: Tiers): ObjectStore {
  const members = Object.entries(tiers).map(([storageClass, store]) => ({ storageClass: storageClass as StorageClass, store }));
  const storeOf = (storageClass: StorageClass = "hot") => tiers[storageClass] ?? tiers.hot;

  /** Where the object is. Looks twice, since it may move from a tier not yet looked at to one already passed. */
  async function find(key: string): Promise<{ store: ObjectStore; head: ObjectHead } | undefined> {
    for (const { store, storageClass } of [...members, ...members]) {
      const head = await store.head(key);
      if (head !== undefined) return { store, head: { ...head, storageClass } };
    }
    return undefined;
  }

  async function require(key: string): Promise<{ store: ObjectStore; head: ObjectHead }> {
    const found = await find(key);
    if (found === undefined) throw new StorageError("not_found", `${name}: there is no object ${key}`);
    return found;
  }

  async function requireFree(key: string): Promise<void> {
    if ((await find(key)) !== undefined) throw new StorageError("exists", `${name}: the key ${key} is taken`);
  }

  return {
    name,
    classes: members.map(({ storageClass }) => storageClass),
    async put(key, content, options = {}) {
      try {
        await requireFree(key);
      } catch (error) {
        content.destroy();
        throw error;
      }
      return await storeOf(options.storageClass).put(key, content, options);
    },
    async get(key, options) {
      for (const { store } of [...members, ...members]) {
        try {
          return await store.get(key, options);
        } catch (error) {
          if (!(error instanceof StorageError && error.code === "not_found")) throw error;
        }
      }
      throw new StorageError("not_found", `${name}: there is no object ${key}`);
    },
    async head(key) {
      return (await find(key))?.head;
    },
    async delete(key) {
      for (const { store } of members) await store.delete(key);
    },
    async *list(prefix) {
      for (const { store } of members) yield* store.list(prefix);
    },
    async copy(from, to) {
      const { store } = await require(from);
      await requireFree(to);
      await store.copy(from, to);
    },
    async setClass(key, storageClass) {
      const target = storeOf(storageClass);
      const { store: source } = await require(key);
      if ((await target.head(key)) === undefined) await move(key, { source, target });
      for (const { store } of members) if (store !== target) await store.delete(key);
      return "done";
    },
    async presign() {
      return undefined;
    },
    async tidy() {
      let collected = 0;
      for (const { store } of members) collected += await store.tidy();
      return collected;
    },
    async close() {
      for (const { store } of members) await store.close();
    },
  };
}

/** Also in the order in which they are looked into. */
export interface Tiers {
  readonly hot: ObjectStore;
  readonly cold?: ObjectStore;
  readonly archive?: ObjectStore;
}

/** Only a whole copy counts: a store checks what it is sent, not whether that is all there was. */
async function move(key: string, { source, target }: { source: ObjectStore; target: ObjectStore }): Promise<void> {
  const before = await source.head(key);
  const { sizeBytes } = await target.put(key, await source.get(key));
  if (before?.sizeBytes === sizeBytes) return;
  await target.delete(key);
  throw new StorageError("damaged", `${source.name}: ${sizeBytes} bytes of object ${key} came where ${before?.sizeBytes} were expected`);
}
