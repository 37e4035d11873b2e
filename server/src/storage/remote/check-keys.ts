import { keyParts } from "../keys.ts";
import type { ObjectStore } from "../object-store.ts";

/** The same store, which rejects TypeError for what is no key of ours, before anything is asked of its server. */
export function checkKeys(store: ObjectStore): ObjectStore {
  return {
    ...store,
    async put(key, content, options) {
      keyParts(key);
      return await store.put(key, content, options);
    },
    async get(key, options) {
      keyParts(key);
      return await store.get(key, options);
    },
    async head(key) {
      keyParts(key);
      return await store.head(key);
    },
    async delete(key) {
      keyParts(key);
      await store.delete(key);
    },
    async copy(from, to) {
      keyParts(from);
      keyParts(to);
      await store.copy(from, to);
    },
    async setClass(key, storageClass) {
      keyParts(key);
      return await store.setClass(key, storageClass);
    },
    async presign(key, options) {
      keyParts(key);
      return await store.presign(key, options);
    },
  };
}
