import { Command } from "commander";
import type { Context } from "../context.ts";
import { ended, startProgram, type Program } from "./child.ts";

export function up(context: Context): Command {
  return new Command("up")
    .description("start the whole platform on this machine, in the foreground (Ctrl-C stops it)")
    .option("--port <port>", "of the API (FILEMILL_PORT)")
    .option("--data <folder>", "where everything is kept (FILEMILL_DATA_DIR)")
    .option("--workers <count>", "worker processes (FILEMILL_WORKERS)")
    .action((options: { port?: string; data?: string; workers?: string }) =>
      runProgram(
        context,
        { program: "all" },
        { FILEMILL_PORT: options.port, FILEMILL_DATA_DIR: options.data, FILEMILL_WORKERS: options.workers },
      ),
    );
}

/** Runs a program of the server in the foreground and takes over its exit code. */
export async function runProgram(
  context: Context,
  { program, words = [] }: { program: Program; words?: readonly string[] },
  settings: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const chosen = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  const child = startProgram({ program, words, environment: { ...context.environment, ...chosen }, output: "inherit" });
  const pass = (signal: NodeJS.Signals) => child.kill(signal);
  const unsubscribe = context.onSignal(pass);
  try {
    context.exitCode = await ended(child);
  } finally {
    unsubscribe();
  }
}
