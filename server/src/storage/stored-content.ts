/** Content whose bytes are durable: up to MAX_INLINE_BYTES for the row's own transaction, all else as objects, in order. */
export type StoredContent = { readonly inline: Buffer } | { readonly segments: readonly StoredSegment[] };

export interface StoredSegment {
  /** Name of the object store. */
  readonly store: string;
  readonly key: string;
  readonly sizeBytes: number;
}

export const MAX_INLINE_BYTES = 16 * 1_024;
export const MAX_SEGMENT_BYTES = 64 * 2 ** 20;
