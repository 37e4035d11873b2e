import type { Readable } from "node:stream";
import type { StorageClass } from "@filemill/contract/storage-class.ts";

/**
 * Where bytes are kept. Keys are ours, `<tenant>/<file>/<epoch>/<segment>`, never a user's string, and match
 * `[a-z0-9/-]+`. Objects are immutable: a key is written once. Every backend passes object-store.contract.ts.
 *
 * Errors are StorageError with code not_found, exists, archived, disk_full or unavailable.
 */
export interface ObjectStore {
  /** A name for logs and for the `store` column of segments, for example `disk`. */
  readonly name: string;
  /** The classes that objects can have here; always `hot`. */
  readonly classes: readonly StorageClass[];
  /**
   * Stores the whole stream durably: when the promise resolves, a power cut loses nothing. When it rejects, or `signal`
   * aborts, nothing is visible under the key. Resolves to the number of bytes. Rejects `exists` where the key is taken.
   */
  put(key: string, content: Readable, options?: PutOptions): Promise<{ sizeBytes: number }>;
  /** Bytes `start` to `end` inclusive, the whole object without `range`. Rejects not_found, or archived where it must be brought back first, before any byte. Its chunks are the reader's own. */
  get(key: string, options?: { range?: ByteRange; signal?: AbortSignal }): Promise<Readable>;
  head(key: string): Promise<ObjectHead | undefined>;
  /** Deleting what is not there is no error. */
  delete(key: string): Promise<void>;
  /** Keys that start with `prefix`, in no order, never buffered whole. */
  list(prefix: string): AsyncIterable<{ key: string; sizeBytes: number; modifiedAt: Date }>;
  copy(from: string, to: string): Promise<void>;
  /**
   * Moves the object to a class, durably; the bytes and the key stay, and readers notice nothing. A class that is not in
   * `classes` is `hot`. `under_way`: the store is bringing the object back from its archive, which takes it hours; ask
   * again. Rejects not_found.
   */
  setClass(key: string, storageClass: StorageClass): Promise<"done" | "under_way">;
  /** A URL that a client can fetch directly, or undefined where the backend has none (disk). */
  presign(key: string, options: { method: "GET" | "PUT"; expiresInSeconds: number }): Promise<string | undefined>;
  /** Removes what died writers left that no key names (temp files, open multipart uploads); gives how many. At any time. */
  tidy(): Promise<number>;
  close(): Promise<void>;
}

export interface ObjectHead {
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  readonly storageClass: StorageClass;
}

export interface PutOptions {
  readonly signal?: AbortSignal;
  /** Left out, or not one of the store's classes: hot. */
  readonly storageClass?: StorageClass;
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
