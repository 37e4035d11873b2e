import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { compileCacheFolder, dataFolder } from "@filemill/contract/data-folder.ts";

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
    env: { ...compiledBefore(starting.environment), ...starting.environment },
    stdio: ["ignore", starting.output, starting.output],
    detached: process.platform !== "win32",
  });
}

/**
 * Said in its environment, the place of compiled code is known before the very first module is loaded: that a program finds
 * itself what to keep has cost it a third of its time until then, for Node's stripper of types alone.
 */
function compiledBefore(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const folder = dataFolder(environment);
  return existsSync(folder) ? { NODE_COMPILE_CACHE: compileCacheFolder(folder) } : {};
}

/** Resolves with the exit code once the program has ended; 1 when a signal ended it. Rejects when it can't be started. */
export async function ended(child: ChildProcess): Promise<number> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode ?? 1;
}

export function programPath(program: Program): string {
  return fileURLToPath(new URL(`../../../server/bin/${program}.ts`, import.meta.url));
}
