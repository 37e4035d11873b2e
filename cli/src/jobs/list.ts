import type { Command } from "commander";
import type { JobSummary } from "@filemill/contract/jobs.ts";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, table, when } from "../terminal/print.ts";
import { limitOption, take } from "../terminal/take.ts";

export function jobsList(context: Context): Command {
  return verb("list", "list jobs, newest first")
    .option("-s, --status <status>", "only queued, running, completed, failed or cancelled")
    .addOption(limitOption())
    .action(async (options: JsonOption & { limit: number; status?: string }) => {
      const client = await clientOf(context);
      const query = { limit: Math.min(options.limit, 200), status: options.status, signal: context.signal };
      const jobs = await take(client.jobs.list(query), options.limit);
      printResult(context, options, {
        json: { data: jobs },
        text: () => table(["ID", "CREATED", "STATUS", "DONE", "ITEMS", "DEAD", "PIPELINE"], jobs.map(row)),
      });
    });
}

function row(job: JobSummary): string[] {
  const { total, dead } = job.counts;
  return [job.id, when(job.created_at), job.status, `${Math.floor(job.progress)} %`, String(total), String(dead), job.pipeline.name];
}
