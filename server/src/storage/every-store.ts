import type { ObjectStore } from "./object-store.ts";
import type { ObjectStores } from "./object-stores.ts";

/** What can be asked of all stores as if they were one, by those who know a key and not where it is. */
export type EveryStore = Pick<ObjectStore, "put" | "list" | "head" | "delete" | "tidy">;

/** What is put goes to one of them; all else asks all, and rejects where any does. */
export function everyStore({ all, tidy, place }: ObjectStores): EveryStore {
  const [only] = all;
  if (only !== undefined && all.length === 1) return only;
  return {
    put: (key, content, options) => place({ tenantId: "", objectKey: key }).put(key, content, options),
    async *list(prefix) {
      for (const store of all) yield* store.list(prefix);
    },
    async head(key) {
      for (const store of all) {
        const found = await store.head(key);
        if (found !== undefined) return found;
      }
      return undefined;
    },
    async delete(key) {
      const results = await Promise.allSettled(all.map((store) => store.delete(key)));
      for (const result of results) if (result.status === "rejected") throw result.reason;
    },
    tidy,
  };
}
