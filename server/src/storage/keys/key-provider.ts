/**
 * Where the root key is: a file, the environment, a key management service. It wraps the tenants' keys and nothing else, and
 * need never leave its place. Every provider passes key-provider.contract.ts.
 *
 * Errors are StorageError unavailable: what it can't do now it may do when it is back, or when its settings are right.
 */
export interface KeyProvider {
  /** For logs and status: file, env, awskms, vault. */
  readonly name: string;
  /** Wraps 32 bytes; `name` (see wrap.ts) must be given again to unwrap them. */
  wrap(key: Buffer, name: string): Promise<RootWrapped>;
  unwrap(wrapped: RootWrapped, name: string): Promise<Buffer>;
  /** Does it wrap under versions of that spelling? It may lack this very one. */
  owns(version: string): boolean;
  /** The version that wrap uses now. */
  version(): Promise<string>;
  /** All versions that it can unwrap; undefined where it does not tell. */
  versions(): Promise<readonly string[] | undefined>;
  /** Makes a new version, under which wrap wraps from now on; the old ones still unwrap. */
  rotate(): Promise<void>;
}

export interface RootWrapped {
  readonly rootVersion: string;
  readonly wrappedKey: Buffer;
}
