import { Command } from "commander";
import type { Context } from "../context.ts";
import { requireDatabase } from "./require-database.ts";
import { runProgram } from "./up.ts";

const ONE_JOB_HELP = `
With --once it takes one job and ends: the one named by JOB_ID (argument or variable), the one that "filemill claim" has
reserved (JOB_ID_FILE), or else the next that waits in its lanes. Its exit code is then
  0    the job, or its run, is done
  1    there was no such job to be had, or it failed; the reason is on stderr
  2    wrong usage`;

interface WorkerOptions {
  readonly once?: boolean;
  readonly database?: string;
  readonly storage?: string;
}

export function worker(context: Context): Command {
  return new Command("worker")
    .description("run one worker against a database, in the foreground")
    .argument("[JOB_ID]", "job_…, with --once (JOB_ID)")
    .option("--once", "take one job, of a job with runs one run, and end")
    .option("--database <url>", "postgres://… (FILEMILL_DATABASE_URL)")
    .option("--storage <url>", "file:///… (FILEMILL_STORAGE_URL)")
    .addHelpText("after", ONE_JOB_HELP)
    .action(async (jobId: string | undefined, options: WorkerOptions, command: Command) => {
      if (jobId !== undefined && !options.once) command.error("error: a JOB_ID is for --once", { exitCode: 2 });
      requireDatabase(context, options.database, "A worker");
      const settings = { FILEMILL_DATABASE_URL: options.database, FILEMILL_STORAGE_URL: options.storage };
      const words = jobId === undefined ? [] : [jobId];
      await runProgram(context, options.once ? { program: "worker-once", words } : { program: "worker" }, settings);
    });
}
