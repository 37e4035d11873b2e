import { join } from "node:path";
import { keyParts } from "./keys.ts";

/**
 * Where a key lies below `objects/`: `<first part>/<shard>/<other parts joined by dots>`.
 *
 * A key can't hold a dot or an underscore, so no key can leave the folder or look like another's, and an object never
 * stands where another needs a folder. The shard is the start of the second part: of a file's UUIDv7 these are the high
 * bits of its time, a new folder every 17 minutes. Files that are stored together thus share a folder, and with it the
 * fsync of that folder; a folder per file would cost three fsyncs more for every small object.
 */
export function objectPath(root: string, key: string): string {
  const [first = "", ...rest] = keyParts(key);
  return join(root, "objects", first, shardOf(rest[0]), rest.length === 0 ? ALONE : rest.join("."));
}

export function shardOf(part: string | undefined): string {
  return part === undefined ? ALONE : part.slice(0, SHARD_LENGTH);
}

/** The key of the object in file `name` of `<first>/<shard>`. */
export function keyOf(first: string, name: string): string {
  return name === ALONE ? first : `${first}/${name.replaceAll(".", "/")}`;
}

export const SHARD_LENGTH = 7;
const ALONE = "_";
