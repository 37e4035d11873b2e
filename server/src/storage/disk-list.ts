import type { Dirent } from "node:fs";
import { opendir, stat } from "node:fs/promises";
import { join } from "node:path";
import { diskError, fsCode } from "./disk-errors.ts";
import { keyOf, SHARD_LENGTH, shardOf } from "./disk-layout.ts";

export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
}

/** Objects below `objects` whose key starts with `prefix`. Opens only the folders that can hold one; reads them as streams. */
export async function* listObjects(objects: string, prefix: string): AsyncGenerator<ListedObject> {
  const [first = "", second] = prefix.split("/", 2);
  for await (const top of entries(objects)) {
    if (second === undefined ? !top.name.startsWith(first) : top.name !== first) continue;
    for await (const shard of entries(join(objects, top.name))) {
      if (!canHold(shard.name, second)) continue;
      const folder = join(objects, top.name, shard.name);
      for await (const entry of entries(folder)) {
        const key = keyOf(top.name, entry.name);
        if (!key.startsWith(prefix)) continue;
        const found = await stat(join(folder, entry.name)).catch(() => undefined);
        // Deleted since the folder was read.
        if (found !== undefined) yield { key, sizeBytes: found.size, modifiedAt: found.mtime };
      }
    }
  }
}

/** Can a shard folder hold keys whose second part starts with, or is, `second`? */
function canHold(shard: string, second: string | undefined): boolean {
  if (second === undefined || second === "") return true;
  return second.length >= SHARD_LENGTH ? shard === shardOf(second) : shard.startsWith(second) || second === shard;
}

async function* entries(folder: string): AsyncGenerator<Dirent> {
  try {
    yield* await opendir(folder);
  } catch (error) {
    if (fsCode(error) !== "ENOENT") throw diskError(error, `list ${folder}`);
  }
}
