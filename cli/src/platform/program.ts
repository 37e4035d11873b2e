import { Command } from "commander";
import type { Context } from "../context.ts";
import { claim } from "./claim.ts";
import { worker } from "./worker.ts";

/** Commands that containers start for each job, without what the others need: that took five times as long as node itself. */
export const STARTS_AT_ONCE: readonly string[] = ["worker", "claim"];

export function createPlatformProgram(context: Context, complain: (text: string) => void): Command {
  const program = new Command("filemill").showHelpAfterError("(add --help for the ways to use it)");
  for (const command of [worker(context), claim(context)]) {
    command.exitOverride();
    command.configureOutput({ writeOut: (text) => void context.stdout.write(text), writeErr: complain });
    program.addCommand(command);
  }
  return program.exitOverride();
}
