import { randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { chmod, lstat, mkdir, readdir, rm, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { killNow, markedProcesses, startTime } from "./process-tree.ts";

/**
 * Private disk space of one worker:
 *
 *     <root>/<owner>/tasks/<n>/    a task's files, while the worker fills or reads them
 *     <root>/<owner>/hosts/<n>/    all that host n may write: tmp/, and the task it runs
 *
 * The owner is `<pid>-<start time>-<random>`. A task's folder is moved into the host's for the time it runs and out
 * again when it is done: so a worker can fetch inputs before it has a host, and outputs that were checked are out of
 * reach. Both are renames on one file system.
 *
 * A host that was taken over by its input may try to make the worker delete or read elsewhere, by swapping a folder for
 * a link while the worker walks it. Therefore a task's folder is flat, the worker never walks a tree below which a host
 * is alive, and a host that leaves anything behind is ended first.
 */
export interface Scratch {
  taskFolder(): Promise<TaskFolder>;
  hostFolder(): HostFolder;
  /** Removes everything of this worker; its hosts must be gone. */
  close(): Promise<void>;
}

export interface TaskFolder {
  readonly path: string;
  remove(): Promise<void>;
}

export interface HostFolder {
  readonly path: string;
  /** Value of FILEMILL_HOST in the host's environment, by which processes that left its group are found. */
  readonly marker: string;
  take(taskPath: string): TaskInHost;
  /** Did the last task leave nothing behind, in tmp/ or beside it? Some ten microseconds. */
  isEmpty(): boolean;
  /** Removes everything; the host must be gone. */
  remove(): Promise<void>;
}

export interface TaskInHost {
  readonly path: string;
  /** Is there nothing in it but plain files? */
  isFlat(): boolean;
  /** Removes all that is not a plain file; the host must be gone. */
  flatten(): Promise<void>;
  /** Moves the folder to where it came from. */
  giveBack(): void;
}

export const HOST_MARKER = "FILEMILL_HOST";

/**
 * Opens the worker's part of `root` (on local disk, not shared between machines or containers: owners are told by pid)
 * and removes what killed workers left there: their folders, and processes that outlived them.
 */
export async function openScratch(root: string): Promise<Scratch> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  await collectStale(root);
  const owner = `${process.pid}-${startTime(process.pid) ?? "0"}-${randomBytes(4).toString("hex")}`;
  const own = join(root, owner);
  await mkdir(join(own, "tasks"), { recursive: true, mode: 0o700 });
  await mkdir(join(own, "hosts"), { mode: 0o700 });
  let count = 0;
  return {
    async taskFolder() {
      const path = join(own, "tasks", String((count += 1)));
      await mkdir(path, { mode: 0o700 });
      return { path, remove: () => removeFlat(path) };
    },
    hostFolder() {
      count += 1;
      return openHostFolder(join(own, "hosts", String(count)), `${owner}/${count}/`);
    },
    close: () => removeTree(own),
  };
}

async function collectStale(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    const [, pid, started] = /^(\d+)-(\d+)-[0-9a-f]+$/.exec(name) ?? [];
    if (pid === undefined || started === undefined || startTime(Number(pid)) === started) continue;
    // They ran where no bwrap ended them with their worker.
    for (const orphan of markedProcesses(`${HOST_MARKER}=${name}/`)) killNow(orphan);
    await removeTree(join(root, name));
  }
}

function openHostFolder(path: string, marker: string): HostFolder {
  const temporary = join(path, "tmp");
  mkdirSync(temporary, { recursive: true, mode: 0o700 });
  return {
    path,
    marker,
    take(taskPath) {
      const inside = join(path, "task");
      renameSync(taskPath, inside);
      return taskInHost(inside, taskPath);
    },
    isEmpty: () => readdirSync(path).length === 1 && readdirSync(temporary).length === 0,
    remove: () => removeTree(path),
  };
}

function taskInHost(path: string, taskPath: string): TaskInHost {
  return {
    path,
    isFlat: () => lstatSync(path).isDirectory() && readdirSync(path, { withFileTypes: true }).every((child) => child.isFile()),
    async flatten() {
      if (!(await lstat(path).catch(() => undefined))?.isDirectory()) {
        await rm(path, { force: true });
        await mkdir(path, { mode: 0o700 });
      }
      for (const child of await readdir(path, { withFileTypes: true })) if (!child.isFile()) await removeTree(join(path, child.name));
    },
    giveBack: () => renameSync(path, taskPath),
  };
}

/** A folder that turns out not to be flat stays until the worker's scratch is closed, when no host is left. */
async function removeFlat(path: string): Promise<void> {
  const names = await readdir(path);
  const removed = await Promise.allSettled(names.map((name) => unlink(join(path, name))));
  if (removed.every(({ status }) => status === "fulfilled")) await rmdir(path);
}

/** As rm -r, also through folders that a processor made unreadable for itself. */
async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && (error.code === "EACCES" || error.code === "EPERM"))) throw error;
    await openUp(path);
    await rm(path, { recursive: true, force: true });
  }
}

async function openUp(folder: string): Promise<void> {
  await chmod(folder, 0o700);
  for (const child of await readdir(folder, { withFileTypes: true })) {
    if (child.isDirectory()) await openUp(join(folder, child.name));
  }
}
