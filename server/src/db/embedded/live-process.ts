import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * The name of the program that process `pid` runs now, or undefined where there is none. A zombie is none: in a
 * container whose first process doesn't collect orphans, a dead one would otherwise look alive for ever.
 */
export async function liveProcess(pid: number): Promise<string | undefined> {
  if (process.platform === "linux") return fromProc(pid);
  const { stdout } = await run("ps", ["-o", "stat=,comm=", "-p", String(pid)]).catch(() => ({ stdout: "" }));
  const [state, program] = stdout.trim().split(/\s+/, 2);
  return state === undefined || state === "" || state.startsWith("Z") ? undefined : program?.split("/").at(-1);
}

/** /proc/<pid>/stat is `pid (program) state …`; the program's name may itself hold parentheses. */
async function fromProc(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const match = /^\d+ \((.*)\) (\S)/s.exec(text);
  return match === null || match[2] === "Z" || match[2] === "X" ? undefined : match[1];
}
