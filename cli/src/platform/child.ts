import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export type Program = "all" | "worker" | "worker-once" | "claim";

/**
 * A program of the server as a child, in a process group of its own: Ctrl-C then reaches it once, from us, and not a
 * second time from the terminal, which would force it to stop without draining.
 */
export function startProgram(starting: {
  program: Program;
  words?: readonly string[];
  environment: Readonly<Record<string, string | undefined>>;
  /** The terminal, or the descriptor of a log file. */
  output: "inherit" | number;
}): ChildProcess {
  return spawn(process.execPath, [programPath(starting.program), ...(starting.words ?? [])], {
    env: { ...starting.environment },
    stdio: ["ignore", starting.output, starting.output],
    detached: process.platform !== "win32",
  });
}

/** Resolves with the exit code once the program has ended; 1 when a signal ended it. Rejects when it can't be started. */
export async function ended(child: ChildProcess): Promise<number> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode ?? 1;
}

export function programPath(program: Program): string {
  return fileURLToPath(new URL(`../../../server/bin/${program}.ts`, import.meta.url));
}
