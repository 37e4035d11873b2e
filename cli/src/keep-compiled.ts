import { existsSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { compileCacheFolder, dataFolder } from "@filemill/contract/data-folder.ts";

/**
 * Lets Node keep what it compiles, where the platform of this machine keeps it too; to be called before the rest is loaded.
 * Without a data folder, or the right to write there, nothing is kept.
 */
export function keepCompiled(environment: Readonly<Record<string, string | undefined>>): void {
  const folder = dataFolder(environment);
  if (environment["NODE_COMPILE_CACHE"] === undefined && existsSync(folder)) enableCompileCache(compileCacheFolder(folder));
}
