import { Command } from "commander";
import type { Context } from "../context.ts";
import { requireDatabase } from "./require-database.ts";
import { runProgram } from "./up.ts";

export function claim(context: Context): Command {
  return new Command("claim")
    .description("reserve the next waiting job for 5 minutes, for a `filemill worker --once` that starts later")
    .requiredOption("-o, --out <file>", "where to write what that worker takes as JOB_ID_FILE")
    .option("--database <url>", "postgres://… (FILEMILL_DATABASE_URL)")
    .action(async (options: { out: string; database?: string }) => {
      requireDatabase(context, options.database, "Claiming");
      await runProgram(context, { program: "claim", words: ["--out", options.out] }, { FILEMILL_DATABASE_URL: options.database });
    });
}
