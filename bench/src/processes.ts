import { readdir, readFile } from "node:fs/promises";

/** A process as Linux shows it in /proc. */
export interface ProcessUse {
  readonly pid: number;
  readonly command: string;
  /** User and system time since its start, ms. */
  readonly cpuMs: number;
  readonly residentBytes: number;
}

/** Linux counts CPU time in ticks of 10 ms for every program, whatever the kernel's own rate (sysconf _SC_CLK_TCK). */
const TICK_MS = 10;
const PAGE_BYTES = 4096;

/** A process and everything below it, and what names `folder` in its command line, such as a database with a session of its own. */
export async function processesOf(root: number, folder: string): Promise<ProcessUse[]> {
  const all = new Map<number, ProcessUse & { parent: number }>();
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const use = await processUse(Number(name));
    if (use !== undefined) all.set(use.pid, use);
  }
  const belongs = (pid: number): boolean => {
    const use = all.get(pid);
    if (use === undefined) return false;
    return pid === root || use.command.includes(folder) || belongs(use.parent);
  };
  return [...all.values()].filter((use) => belongs(use.pid));
}

/** Undefined where it has ended. */
export async function processUse(pid: number): Promise<(ProcessUse & { parent: number }) | undefined> {
  try {
    const [stat, command] = await Promise.all([readFile(`/proc/${pid}/stat`, "utf8"), readFile(`/proc/${pid}/cmdline`, "utf8")]);
    // The name in brackets may hold spaces; fields are counted behind it: state, parent, …, utime is 12th, stime 13th, rss 22nd.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const field = (index: number) => Number(fields[index] ?? 0);
    const cpuMs = (field(11) + field(12)) * TICK_MS;
    return { pid, parent: field(1), command: command.replaceAll("\0", " "), cpuMs, residentBytes: field(21) * PAGE_BYTES };
  } catch {
    // It ended while we looked.
    return undefined;
  }
}
