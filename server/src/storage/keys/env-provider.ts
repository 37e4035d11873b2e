import { StorageError } from "../../errors.ts";
import type { KeyProvider } from "./key-provider.ts";
import { isLocalVersion, parseRootKeys } from "./local-keys.ts";

/** Root keys that were given as a text, the current one first (FILEMILL_ROOT_KEY). Throws RangeError where it can't be one. */
export function createEnvProvider(text: string): KeyProvider {
  const keys = parseRootKeys(text);
  return {
    name: "env",
    owns: isLocalVersion,
    async wrap(key, name) {
      return keys.wrap(key, name);
    },
    async unwrap(wrapped, name) {
      const key = keys.unwrap(wrapped, name);
      if (key !== undefined) return key;
      throw new StorageError(
        "unavailable",
        `root key ${wrapped.rootVersion} is not among those of FILEMILL_ROOT_KEY; add it, behind a comma`,
      );
    },
    async version() {
      return keys.versions[0] ?? "";
    },
    async versions() {
      return keys.versions;
    },
    async rotate() {
      throw new StorageError(
        "unavailable",
        "a root key in FILEMILL_ROOT_KEY can't be rotated from here: put a new one in front of it, with a comma between, and start again",
      );
    },
  };
}
