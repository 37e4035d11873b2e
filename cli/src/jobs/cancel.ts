import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";

export function jobsCancel(context: Context): Command {
  return verb("cancel", "cancel a job; what it has made already stays")
    .argument("<id>", "job_…")
    .action(async (id: string, options: JsonOption) => {
      const client = await clientOf(context);
      const job = await client.jobs.cancel(id);
      printResult(context, options, { json: job, text: () => [`${id} ${job.status}`] });
    });
}
