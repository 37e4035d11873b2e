import { join } from "node:path";

/** Where our own processes keep compiled code between starts. Step hosts have a folder of their own, which they can't write to. */
export function compileCacheIn(dataFolder: string): string {
  return join(dataFolder, "compile-cache");
}
