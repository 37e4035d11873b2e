import { existsSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { compileCacheFolder, dataFolder } from "@filemill/contract/data-folder.ts";

/**
 * Lets Node keep what it compiles for the next start; to be called before anything else is loaded. Where there is no data
 * folder yet, whose modes are for the platform to choose, nothing is kept; NODE_COMPILE_CACHE names another place, such as
 * one that is part of a container's image.
 */
export function keepCompiled(): void {
  const folder = dataFolder(process.env);
  if (process.env["NODE_COMPILE_CACHE"] === undefined && existsSync(folder)) enableCompileCache(compileCacheFolder(folder));
}
