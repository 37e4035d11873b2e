import { CommanderError } from "commander";
import type { Context } from "./context.ts";
import { EXIT, explain } from "./exit.ts";
import { createProgram } from "./program.ts";
import { printable } from "./terminal/print.ts";

/** Runs one command line (without node and script); gives the exit code and never rejects. */
export async function main(context: Context, words: readonly string[]): Promise<number> {
  try {
    await createProgram(context).parseAsync([...words], { from: "user" });
    return context.exitCode;
  } catch (error) {
    // Commander has printed help or the problem already.
    if (error instanceof CommanderError) return error.exitCode === 0 || error.code === "commander.helpDisplayed" ? EXIT.ok : EXIT.usage;
    const interrupted = context.signal.aborted;
    const { lines, exitCode } = explain(interrupted ? context.signal.reason : error);
    context.stderr.write(lines.map((line) => `${printable(line)}\n`).join(""));
    return interrupted ? EXIT.interrupted : exitCode;
  }
}
