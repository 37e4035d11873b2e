import { Command } from "commander";
import type { Context } from "../context.ts";
import { CliError, EXIT } from "../exit.ts";
import { runProgram } from "./up.ts";

export function worker(context: Context): Command {
  return new Command("worker")
    .description("run one worker against a database, in the foreground")
    .option("--database <url>", "postgres://… (FILEMILL_DATABASE_URL)")
    .option("--storage <url>", "file:///… (FILEMILL_STORAGE_URL)")
    .action(async (options: { database?: string; storage?: string }) => {
      if (!(options.database ?? context.environment["FILEMILL_DATABASE_URL"])) {
        throw new CliError("A worker needs a database: give --database postgres://…, or set FILEMILL_DATABASE_URL.", EXIT.usage);
      }
      await runProgram(context, "worker", { FILEMILL_DATABASE_URL: options.database, FILEMILL_STORAGE_URL: options.storage });
    });
}
