import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { ContentKeys } from "./keys/content-keys.ts";
import type { ObjectStores } from "./object-stores.ts";
import { openInline, readContent, readSmall, type ReadOptions } from "./read-content.ts";
import type { ContentManifest, StoredContent, StoredInline, StoredSegment } from "./stored-content.ts";
import { sealInline, writeContent, writeSegment, writeWhole, type ContentPlace, type SegmentPlace } from "./write-content.ts";

/**
 * The one way to a file's content: it hides in which store the bytes are, and how they are sealed. Rows are the callers' business:
 * what is written becomes visible by record/files.ts, what is read was found by outputs/content.ts.
 */
export interface ContentStore {
  /**
   * Stores a stream: up to 16 KiB become bytes for the row, more goes to a store as it comes, in segments of at most
   * 64 MiB. When it resolves, every segment is durable; when it rejects, with the stream's own error or StorageError,
   * every segment is gone again.
   */
  write(content: AsyncIterable<Buffer>, place: ContentPlace): Promise<StoredContent>;
  /** As write, for content that is in memory and has at most MAX_INLINE_BYTES: without the streams, which cost more than to seal it. */
  writeSmall(content: Buffer, place: Pick<ContentPlace, "tenantId" | "fileId">): Promise<StoredInline>;
  /** As write, for what is in memory and has at most 64 MiB: of small objects, streams cost more than sealing. */
  writeWhole(content: Buffer, place: ContentPlace): Promise<StoredContent>;
  /**
   * Stores a stream as one segment, whatever its size. Durable when it resolves, nothing is left when it rejects.
   * Undefined where the stream was empty: there is no empty segment.
   */
  writeSegment(content: AsyncIterable<Buffer>, place: SegmentPlace): Promise<StoredSegment | undefined>;
  /**
   * The bytes of a file, or `range` of them (inclusive, inside the file), as one stream; segments follow each other without
   * a gap in memory use. Rejects StorageError before any byte where the first segment can't be had; where a later one is
   * missing (not_found) or any is not what was stored (damaged), the stream fails with it.
   */
  read(manifest: ContentManifest, options?: ReadOptions): Promise<Readable>;
  /** As read, gathered in memory: for small files of which very many are read. */
  bytes(manifest: ContentManifest, options?: Pick<ReadOptions, "signal">): Promise<Buffer>;
  /**
   * Deletes the objects of content that will not be recorded, or is no more. Never rejects: what can't be deleted now has
   * no row, and garbage collection finds it by that.
   */
  discard(content: StoredContent | DiscardedSegments): Promise<void>;
}

export interface DiscardedSegments {
  readonly segments: readonly Pick<StoredSegment, "store" | "key">[];
}

export interface ContentStoreOptions {
  readonly stores: Pick<ObjectStores, "place" | "named">;
  readonly keys: ContentKeys;
}

export function createContentStore(options: ContentStoreOptions): ContentStore {
  const { stores } = options;
  return {
    write: (content, place) => writeContent(content, { ...place, ...options }),
    writeSmall: (content, { tenantId, fileId }) => sealInline(content, { tenantId, fileId, keys: options.keys }),
    writeWhole: (content, place) => writeWhole(content, { ...place, ...options }),
    writeSegment: (content, place) => writeSegment(content, { ...place, ...options }),
    read: (manifest, asked = {}) => readContent(manifest, { ...asked, ...options }),
    async bytes(manifest, asked = {}) {
      if (manifest.inline !== null) return await openInline(manifest, options);
      return (await readSmall(manifest, { ...asked, ...options })) ?? (await buffer(await readContent(manifest, { ...asked, ...options })));
    },
    async discard(content) {
      if ("inline" in content) return;
      await Promise.allSettled(content.segments.map(async ({ store, key }) => await stores.named(store).delete(key)));
    },
  };
}
