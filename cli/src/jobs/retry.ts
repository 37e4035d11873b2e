import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";

export function jobsRetry(context: Context): Command {
  return verb("retry", "run the dead items of a job again")
    .argument("<id>", "job_…")
    .action(async (id: string, options: JsonOption) => {
      const client = await clientOf(context);
      const job = await client.jobs.retry(id);
      printResult(context, options, { json: job, text: () => [`${id} ${job.status}; follow it with \`filemill jobs watch ${id}\``] });
    });
}
