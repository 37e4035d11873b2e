/**
 * Where what stands in a sealed object: a prefix of ours (prefix.ts), then a message as c2sp.org/chunked-encryption lays it
 * out: salt, commitment, chunks. Every chunk but the last holds 16 KiB of the content; the last one is always shorter and
 * may be empty, so that the end of the content is told by its length.
 */
export const CHUNK_BYTES = 16_384;
export const TAG_BYTES = 16;
export const SALT_BYTES = 24;
export const COMMITMENT_BYTES = 32;
/** Before the first chunk. */
export const MESSAGE_HEAD_BYTES = SALT_BYTES + COMMITMENT_BYTES;

/** Of content of that size, with the last, short one. */
export function chunkCount(sizeBytes: number): number {
  return Math.floor(sizeBytes / CHUNK_BYTES) + 1;
}

/** Of the content in chunk `index`. */
export function chunkBytes(index: number, sizeBytes: number): number {
  return Math.min(CHUNK_BYTES, sizeBytes - index * CHUNK_BYTES);
}

/** Where chunk `index` begins, counted from the start of the message. */
export function chunkOffset(index: number): number {
  return MESSAGE_HEAD_BYTES + index * (CHUNK_BYTES + TAG_BYTES);
}

/** Of the message over content of that size. */
export function messageBytes(sizeBytes: number): number {
  return MESSAGE_HEAD_BYTES + sizeBytes + chunkCount(sizeBytes) * TAG_BYTES;
}
