import { StorageError } from "../../errors.ts";
import type { KeyProvider } from "./key-provider.ts";

/** The first provider wraps; the others unwrap what was wrapped by them before, so that keys can move from one to another. */
export function createKeyRing(providers: readonly [KeyProvider, ...KeyProvider[]]): KeyProvider {
  const [first] = providers;
  return {
    ...first,
    owns: (version) => providers.some((provider) => provider.owns(version)),
    async unwrap(wrapped, name) {
      const owners = providers.filter((provider) => provider.owns(wrapped.rootVersion));
      for (const [index, owner] of owners.entries()) {
        try {
          return await owner.unwrap(wrapped, name);
        } catch (error) {
          if (index === owners.length - 1) throw error;
        }
      }
      throw new StorageError(
        "unavailable",
        `root key ${wrapped.rootVersion} is kept by none of: ${providers.map(({ name: each }) => each).join(", ")}`,
      );
    },
    async versions() {
      const all = await Promise.all(providers.map(async (provider) => (await provider.versions()) ?? []));
      return all.flat();
    },
  };
}
