import { readdir, readFile } from "node:fs/promises";

export interface RunningProcess {
  readonly pid: number;
  readonly command: string;
  /** User and system time so far, in seconds. */
  readonly cpuSeconds: number;
}

/** USER_HZ, which Linux tells programs whatever its kernel was built with. */
const TICKS_A_SECOND = 100;

/** A process's children, their children, and so on. */
export async function processesBelow(ancestor: number): Promise<RunningProcess[]> {
  const all = await Promise.all((await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(look));
  const running = all.filter((process) => process !== undefined);
  const below = new Set([ancestor]);
  // A child may have a lower number than its parent; each round finds a generation.
  for (let before = 0; before < below.size;) {
    before = below.size;
    for (const { pid, parent } of running) if (below.has(parent)) below.add(pid);
  }
  below.delete(ancestor);
  return running.filter(({ pid }) => below.has(pid));
}

/** One that has ended counts as such also where nobody has asked yet how (a zombie). */
export async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat !== "" && !stat.slice(stat.lastIndexOf(")")).startsWith(") Z");
}

/** Of the workers of a platform, by the process of its `npm start`. */
export async function workersOf(platformPid: number): Promise<number[]> {
  return (await processesBelow(platformPid)).filter(({ command }) => command.includes("bin/worker.ts")).map(({ pid }) => pid);
}

async function look(name: string): Promise<(RunningProcess & { parent: number }) | undefined> {
  const [stat, command] = await Promise.all(["stat", "cmdline"].map((file) => readFile(`/proc/${name}/${file}`, "utf8").catch(() => "")));
  if (!stat) return undefined;
  // proc(5): the name in parentheses may hold anything; state, parent and so on stand behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { pid: Number(name), parent: Number(fields[1]), command: command ?? "", cpuSeconds: ticks / TICKS_A_SECOND };
}
