import { readFileSync, readdirSync } from "node:fs";

/**
 * Looks at processes through /proc. Linux only: elsewhere a tree is its root alone and its memory reads as 0, so that
 * memory limits are not enforced there.
 */

/** `pid` and everything below it now. Processes that ended meanwhile are left out. */
export function processTree(pid: number): readonly number[] {
  const tree = [pid];
  // Grows while it is walked. A child is listed under the thread that forked it, hence all threads.
  for (const parent of tree) {
    for (const thread of list(`/proc/${parent}/task`)) {
      const children = read(`/proc/${parent}/task/${thread}/children`);
      if (children) for (const child of children.trim().split(" ")) if (child) tree.push(Number(child));
    }
  }
  return tree;
}

/**
 * Memory that these processes hold and that ends with them, bytes: anonymous and shared memory, without mapped files.
 * File pages are the same for all hosts (100 MB of node and codecs) and the kernel takes them back when it needs them.
 */
export function memoryOf(pids: readonly number[]): number {
  let total = 0;
  for (const pid of pids) {
    const status = read(`/proc/${pid}/status`);
    if (status) for (const [, kilobytes] of status.matchAll(/^Rss(?:Anon|Shmem):\s+(\d+) kB$/gm)) total += Number(kilobytes) * 1024;
  }
  return total;
}

/** When `pid` started, in clock ticks since boot; with the pid it names a process for good. Undefined: it is gone. */
export function startTime(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  // The second field is the command in brackets and may hold spaces and brackets; the 22nd field is the 20th behind it.
  const [state, ...fields] = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
  return state === undefined || state === "Z" || state === "X" ? undefined : fields[18];
}

/** Processes started with a variable in their environment that begins so; a child keeps it when it leaves its group. */
export function markedProcesses(variable: string): readonly number[] {
  const isMarked = (pid: string): boolean => (read(`/proc/${pid}/environ`) ?? "").split("\0").some((entry) => entry.startsWith(variable));
  return list("/proc")
    .filter((name) => /^\d+$/.test(name) && isMarked(name))
    .map(Number);
}

/** Sends SIGKILL; a process that is gone already is as good. */
export function killNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Undefined: the process ended, or is not ours to look at. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}

function list(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
