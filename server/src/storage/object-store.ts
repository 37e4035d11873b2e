import type { Readable } from "node:stream";

/**
 * Where bytes are kept. Keys are ours, `<tenant>/<file>/<epoch>/<segment>`, never a user's string, and match
 * `[a-z0-9/-]+`. Objects are immutable: a key is written once. Every backend passes object-store.contract.ts.
 *
 * Errors are StorageError with code not_found, exists, disk_full or unavailable.
 */
export interface ObjectStore {
  /** A name for logs and for the `store` column of segments, for example `disk`. */
  readonly name: string;
  /**
   * Stores the whole stream durably: when the promise resolves, a power cut loses nothing. When it rejects, or `signal`
   * aborts, nothing is visible under the key. Resolves to the number of bytes. Rejects `exists` where the key is taken.
   */
  put(key: string, content: Readable, options?: PutOptions): Promise<{ sizeBytes: number }>;
  /** Bytes `start` to `end` inclusive, the whole object without `range`. Rejects not_found before any byte. Its chunks are the reader's own. */
  get(key: string, options?: { range?: ByteRange; signal?: AbortSignal }): Promise<Readable>;
  head(key: string): Promise<{ sizeBytes: number; modifiedAt: Date } | undefined>;
  /** Deleting what is not there is no error. */
  delete(key: string): Promise<void>;
  /** Keys that start with `prefix`, in no order, never buffered whole. */
  list(prefix: string): AsyncIterable<{ key: string; sizeBytes: number; modifiedAt: Date }>;
  copy(from: string, to: string): Promise<void>;
  /** A URL that a client can fetch directly, or undefined where the backend has none (disk). */
  presign(key: string, options: { method: "GET" | "PUT"; expiresInSeconds: number }): Promise<string | undefined>;
  /** Removes what died writers left that no key names (temp files, open multipart uploads); gives how many. At any time. */
  tidy(): Promise<number>;
  close(): Promise<void>;
}

export interface PutOptions {
  readonly signal?: AbortSignal;
  /**
   * Given every chunk that the store needs no more, so that its memory may be used again or freed before the garbage
   * collector comes to it. Left out: the chunks stay the caller's. A store that can't tell never calls it.
   */
  readonly release?: (chunk: Buffer) => void;
}

/** Inclusive byte offsets, as in HTTP. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}
