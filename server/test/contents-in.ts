import { createContentStore, type ContentStore } from "../src/storage/content-store.ts";
import type { ObjectStore } from "../src/storage/object-store.ts";
import { createObjectStores } from "../src/storage/object-stores.ts";
import type { ContentManifest, StoredContent } from "../src/storage/stored-content.ts";

/** A content store over this one object store. */
export function contentsIn(store: ObjectStore): ContentStore {
  return createContentStore({ stores: createObjectStores([{ store }]) });
}

/** What a reader would find of a file that was stored and not recorded. */
export function manifestOf<File extends { readonly content: StoredContent }>(
  file: File,
): File & Pick<ContentManifest, "inline" | "segments"> {
  const { content } = file;
  return { ...file, inline: "inline" in content ? content.inline : null, segments: "segments" in content ? content.segments : [] };
}
