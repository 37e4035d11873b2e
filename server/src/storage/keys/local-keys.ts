import { createHash, randomBytes } from "node:crypto";
import { StorageError } from "../../errors.ts";
import { keyFor } from "./hkdf.ts";
import type { RootWrapped } from "./key-provider.ts";
import { unwrapKey, wrapKey } from "./wrap.ts";

/** Root keys that this process holds itself; the first one wraps. */
export interface LocalKeys {
  readonly versions: readonly string[];
  wrap(key: Buffer, name: string): RootWrapped;
  /** Undefined where none of the keys has that version. Throws StorageError where it has and does not open it. */
  unwrap(wrapped: RootWrapped, name: string): Buffer | undefined;
}

const KEY_BYTES = 32;
const PREFIX = "local:";

/** 32 random bytes as base64. */
export function newRootKey(): string {
  return randomBytes(KEY_BYTES).toString("base64");
}

export const isLocalVersion = (version: string): boolean => version.startsWith(PREFIX);

/**
 * Reads keys, each 32 bytes as base64, in lines or with commas between them; `#` begins a comment. The version of a key is
 * a fingerprint: the same key is the same version wherever it comes from, and another key never passes for it. Throws
 * RangeError that does not repeat what it read.
 */
export function parseRootKeys(text: string): LocalKeys {
  const parts = text
    .split("\n")
    .flatMap((line) => (line.split("#", 1)[0] ?? "").split(","))
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const keys = new Map(
    parts.map((part) => {
      const key = Buffer.from(part, "base64");
      if (key.length !== KEY_BYTES || key.toString("base64") !== part) throw new RangeError("a root key is 32 bytes as base64");
      return [fingerprint(key), keyFor(key, "root-wrap")];
    }),
  );
  const [first] = keys;
  if (first === undefined) throw new RangeError("there is no key in it");
  const [current, wrapping] = first;

  return {
    versions: [...keys.keys()],
    wrap: (key, name) => ({ rootVersion: current, wrappedKey: wrapKey(key, wrapping, name) }),
    unwrap({ rootVersion, wrappedKey }, name) {
      const held = keys.get(rootVersion);
      if (held === undefined) return undefined;
      const key = unwrapKey(wrappedKey, held, name);
      if (key === undefined) throw new StorageError("unavailable", `a key wrapped under root key ${rootVersion} was changed: ${name}`);
      return key;
    },
  };
}

/** 64 bits, of a hash that tells nothing about the key. */
function fingerprint(key: Buffer): string {
  return PREFIX + createHash("sha256").update("filemill/root-key/v1|").update(key).digest("hex").slice(0, 16);
}
