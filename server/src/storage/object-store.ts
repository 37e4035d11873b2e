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
  put(key: string, content: Readable, options?: { signal?: AbortSignal }): Promise<{ sizeBytes: number }>;
  /** Bytes `start` to `end` inclusive, the whole object without `range`. Rejects not_found before any byte. */
  get(key: string, options?: { range?: ByteRange; signal?: AbortSignal }): Promise<Readable>;
  head(key: string): Promise<{ sizeBytes: number; modifiedAt: Date } | undefined>;
  /** Deleting what is not there is no error. */
  delete(key: string): Promise<void>;
  /** Keys that start with `prefix`, in no order, never buffered whole. */
  list(prefix: string): AsyncIterable<{ key: string; sizeBytes: number; modifiedAt: Date }>;
  copy(from: string, to: string): Promise<void>;
  /** A URL that a client can fetch directly, or undefined where the backend has none (disk). */
  presign(key: string, options: { method: "GET" | "PUT"; expiresInSeconds: number }): Promise<string | undefined>;
  close(): Promise<void>;
}

/** Inclusive byte offsets, as in HTTP. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}
