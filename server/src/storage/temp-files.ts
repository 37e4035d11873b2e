import { randomUUID } from "node:crypto";
import { readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";

/**
 * A temp file is given up after this time without a write. Age alone decides: whether its writer is alive can't be asked,
 * since containers on one volume may share a host name and are all process 1.
 */
const MAX_AGE_MS = 60 * 60 * 1_000;

/** A name that no other writer has, for a file that is still being written. */
export function tempName(): string {
  return `${RUN}.${randomUUID()}`;
}

/** Deletes the temp files that nobody writes any more, never one of this process. Gives their number. */
export async function collectLeftovers(folder: string, now: number = Date.now()): Promise<number> {
  let collected = 0;
  for (const name of await readdir(folder)) {
    if (name.startsWith(`${RUN}.`)) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || now - found.mtimeMs <= MAX_AGE_MS) continue;
    await unlink(path).catch(() => undefined);
    collected++;
  }
  return collected;
}

/** Of this run of the process. */
const RUN = randomUUID();
