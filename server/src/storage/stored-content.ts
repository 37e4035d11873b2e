/** Content whose bytes are durable: up to MAX_INLINE_BYTES for the row's own transaction, all else as objects, in order. */
export type StoredContent = StoredInline | { readonly segments: readonly StoredSegment[] };

export interface StoredInline {
  /** As it goes into the row. */
  readonly inline: Buffer;
  /** Left out: the bytes are plain. */
  readonly seal?: Seal;
}

export interface StoredSegment {
  /** UUID; names the row of object_keys. Not a part of `key`, which changes when the object moves. */
  readonly objectId: string;
  /** Name of the object store. */
  readonly store: string;
  readonly key: string;
  /** Of the plain content. */
  readonly sizeBytes: number;
  /** Left out: the bytes are plain. */
  readonly seal?: Seal;
}

/** How to get at the key of one sealed object: its data key, wrapped under this version of the tenant's key. */
export interface Seal {
  readonly kekId: string;
  readonly kekVersion: number;
  readonly wrappedDek: Buffer;
}

/** What is needed to read a file's bytes: one inline row, or its segments in order. */
export interface ContentManifest {
  readonly id: string;
  readonly tenantId: string;
  readonly sizeBytes: number;
  readonly inline: Buffer | null;
  /** Of the inline content. */
  readonly inlineSeal?: ReadSeal | undefined;
  readonly segments: readonly ManifestSegment[];
}

export interface ManifestSegment {
  readonly store: string;
  readonly key: string;
  readonly sizeBytes: number;
  /** Null, or left out, where the bytes are plain. */
  readonly objectId?: string | null;
  readonly seal?: ReadSeal | undefined;
}

/** Undefined: the bytes are plain. `destroyed`: they are sealed, and the row of their key is gone. */
export type ReadSeal = Seal | "destroyed";

export const MAX_INLINE_BYTES = 16 * 1_024;
export const MAX_SEGMENT_BYTES = 64 * 2 ** 20;
