import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { EmbeddedError } from "./embedded-error.ts";
import { liveProcess } from "./live-process.ts";

export interface FolderLock {
  setAddress(address: string): Promise<void>;
  release(): void;
}

interface Holder {
  readonly pid: number;
  readonly address: string;
}

const SQLITE_BUSY = 5;

export interface LockOptions {
  /** Where the lock's files are kept. */
  readonly folder: string;
  /** What the message calls it. */
  readonly dataFolder: string;
  /** Where the platform is served: what a second starter is told. */
  readonly address: string;
}

/**
 * Makes this process the only one that runs the embedded database of `folder`. The lock is the kernel's (fcntl, taken by
 * SQLite on an empty file), because Node has no flock: it ends with its holder however that ends, so there is no stale
 * lock to break and no race in breaking it. Rejects with `in_use`.
 */
export async function lockFolder({ folder, dataFolder, address }: LockOptions): Promise<FolderLock> {
  const lock = new DatabaseSync(join(folder, "lock"), { timeout: 0 });
  const holderFile = join(folder, "lock.holder");
  try {
    lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY)
      throw inUse(dataFolder, await findHolder(holderFile));
    throw error;
  }
  const setAddress = (text: string) => writeFile(holderFile, JSON.stringify({ pid: process.pid, address: text } satisfies Holder));
  await setAddress(address);
  return { setAddress, release: () => lock.close() };
}

/** The holder writes its name a moment after it has the lock; what a dead one wrote is not of interest. */
async function findHolder(file: string): Promise<Holder | undefined> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const holder = parse(await readFile(file, "utf8").catch(() => ""));
    if (holder && (await liveProcess(holder.pid)) !== undefined) return holder;
    await delay(25);
  }
  return undefined;
}

function parse(text: string): Holder | undefined {
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return undefined;
  }
}

function inUse(folder: string, holder: Holder | undefined): EmbeddedError {
  const who = holder ? `process ${holder.pid}, at ${holder.address}` : "by another process";
  const stop = holder ? `stop it with "kill ${holder.pid}"` : "stop it";
  return new EmbeddedError(
    "in_use",
    `Filemill already runs on the data folder ${folder} (${who}). Use that one, ${stop}, ` +
      "or start a second one with FILEMILL_DATA_DIR and FILEMILL_PORT set to others.",
  );
}
