import { createContentStore, type ContentStore } from "../src/storage/content-store.ts";
import type { ObjectStore } from "../src/storage/object-store.ts";
import { createContentKeys } from "../src/storage/keys/content-keys.ts";
import type { TenantKeys } from "../src/storage/keys/tenant-keys.ts";
import { createObjectStores } from "../src/storage/object-stores.ts";
import type { ContentManifest, StoredContent } from "../src/storage/stored-content.ts";
import { keysInMemory } from "./tenant-keys.ts";

/** One installation's for the whole test file, so that what one content store has sealed another one can open. */
const keys = createContentKeys(keysInMemory());

/** A content store over this one object store, without a database: its keys are in memory. */
export function contentsIn(store: ObjectStore): ContentStore {
  return createContentStore({ stores: createObjectStores([{ store }]), keys });
}

/** As a process of the platform has it, with its keys in the database. */
export function contentsWith(store: ObjectStore, tenantKeys: TenantKeys): ContentStore {
  return createContentStore({ stores: createObjectStores([{ store }]), keys: createContentKeys(tenantKeys) });
}

/** What a reader would find of a file that was stored and not recorded. */
export function manifestOf<File extends { readonly content: StoredContent }>(
  file: File,
): File & Pick<ContentManifest, "inline" | "inlineSeal" | "segments"> {
  const { content } = file;
  if ("segments" in content) return { ...file, inline: null, segments: content.segments };
  return { ...file, inline: content.inline, inlineSeal: content.seal, segments: [] };
}
