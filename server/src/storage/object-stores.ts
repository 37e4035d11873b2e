import { createHash } from "node:crypto";
import { StorageError } from "../errors.ts";
import type { ObjectStore } from "./object-store.ts";
import type { StorageClass } from "@filemill/contract/storage-class.ts";

/** All stores of a process: who writes asks where to, who reads goes by the name that stands in the segment's row. */
export interface ObjectStores {
  /**
   * Where a new object goes. Always the same store for the same key as long as the stores are the same. Throws StorageError
   * unavailable where no store is in the tenant's region: bytes never go anywhere else.
   */
  place(object: Placement): ObjectStore;
  /** Throws StorageError unavailable where no store of that name is configured. */
  named(name: string): ObjectStore;
  readonly all: readonly ObjectStore[];
  /** Has every store remove what died writers left; a store that can't now is left for the next time. Gives how many. */
  tidy(): Promise<number>;
  close(): Promise<void>;
}

export interface Placement {
  readonly tenantId: string;
  readonly objectKey: string;
  /** Where the tenant's bytes must stay; left out: anywhere. */
  readonly region?: string;
  /** Left out: hot. */
  readonly storageClass?: StorageClass;
}

export interface StoreMember {
  readonly store: ObjectStore;
  readonly region?: string;
  /** The class that this store is for, where stores are kept apart by class. Left out: hot. */
  readonly storageClass?: StorageClass;
}

/** Members must differ in name; config.ts has seen to it that there is one. */
export function createObjectStores(members: readonly StoreMember[]): ObjectStores {
  const byName = new Map(members.map(({ store }) => [store.name, store]));
  const all = members.map(({ store }) => store);

  return {
    all,
    place({ objectKey, region, storageClass = "hot" }) {
      const allowed = region === undefined ? members : members.filter((member) => member.region === region);
      const ofClass = allowed.filter((member) => (member.storageClass ?? "hot") === storageClass);
      // A store may have several classes itself: without one for this class alone, the hot ones take it.
      const candidates = ofClass.length > 0 ? ofClass : allowed.filter((member) => (member.storageClass ?? "hot") === "hot");
      return highest(candidates, objectKey) ?? refuse(region);
    },
    named(name) {
      const store = byName.get(name);
      if (store !== undefined) return store;
      const known = all.map((other) => `"${other.name}"`).join(", ");
      throw new StorageError(
        "unavailable",
        `There is no store named "${name}", which holds this object (configured: ${known}). Add it to FILEMILL_STORAGE_URL under that name.`,
      );
    },
    async tidy() {
      const counts = await Promise.allSettled(all.map((store) => store.tidy()));
      return counts.reduce((sum, count) => sum + (count.status === "fulfilled" ? count.value : 0), 0);
    },
    async close() {
      await Promise.all(all.map((store) => store.close()));
    },
  };
}

/**
 * Rendezvous hashing: the store whose hash with the key is highest. A store that is added takes its share from all others
 * and moves nothing else; what was written before stays where its row says. The key's last part does not count, so that all
 * segments of a file are in one store, and whoever looks for the next one need ask no other.
 */
function highest(members: readonly StoreMember[], objectKey: string): ObjectStore | undefined {
  if (members.length <= 1) return members[0]?.store;
  const key = objectKey.slice(0, objectKey.lastIndexOf("/"));
  let best: { readonly weight: bigint; readonly store: ObjectStore } | undefined;
  for (const { store } of members) {
    const weight = createHash("sha256").update(`${store.name}\0${key}`).digest().readBigUInt64BE();
    if (best === undefined || weight > best.weight) best = { weight, store };
  }
  return best?.store;
}

function refuse(region: string | undefined): never {
  const where = region === undefined ? "for hot objects" : `in region "${region}"`;
  throw new StorageError("unavailable", `No store ${where} is configured. Add one to FILEMILL_STORAGE_URL.`);
}
