import { randomUUID } from "node:crypto";
import { readdir, stat, unlink } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";

/** A temp file of a host that we can't ask is given up after this time without a write. */
const FOREIGN_MAX_AGE_MS = 60 * 60 * 1_000;

/**
 * Names for files that are still being written. They say who writes them, host, process and run of the process, so that
 * `collectLeftovers` can tell those of the dead from those of a living neighbour on the same folder.
 */
export function tempName(): string {
  return `${HOST}.${process.pid}.${RUN}.${randomUUID()}`;
}

/** Deletes the temp files of processes that are gone. Gives their number. */
export async function collectLeftovers(folder: string, now: number = Date.now()): Promise<number> {
  let collected = 0;
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || !isLeftover(name, now - found.mtimeMs)) continue;
    await unlink(path).catch(() => undefined);
    collected++;
  }
  return collected;
}

function isLeftover(name: string, ageMs: number): boolean {
  const [host, pid, run] = name.split(".");
  if (host !== HOST) return ageMs > FOREIGN_MAX_AGE_MS;
  // In containers a new run often has the number of the old one.
  if (Number(pid) === process.pid) return run !== RUN;
  return !isAlive(Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

const HOST = hostname().replaceAll(/[^A-Za-z0-9-]/g, "-");
const RUN = randomUUID();
