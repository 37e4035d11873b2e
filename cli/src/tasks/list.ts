import type { Command } from "commander";
import type { TaskResource } from "@filemill/contract/jobs.ts";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, table, when } from "../terminal/print.ts";
import { limitOption, take } from "../terminal/take.ts";

export function tasksList(context: Context): Command {
  return verb("list", "list the tasks of a job, as the workers got them")
    .argument("<job>", "job_…")
    .option("-s, --status <status>", "only waiting, ready, running, succeeded, dead or cancelled")
    .addOption(limitOption())
    .action(async (job: string, options: JsonOption & { limit: number; status?: string }) => {
      const client = await clientOf(context);
      const query = { limit: Math.min(options.limit, 1_000), status: options.status, signal: context.signal };
      const tasks = await take(client.jobs.tasks(job, query), options.limit);
      printResult(context, options, {
        json: { data: tasks },
        text: () => table(["ID", "STATUS", "KIND", "STAGE", "ITEMS", "TRIES", "STARTED", "STEPS"], tasks.map(row)),
      });
    });
}

function row(task: TaskResource): string[] {
  const { id, status, kind, stage, items, epoch, started_at: started, steps, error } = task;
  const what = error === null ? steps.join(", ") : `${steps.join(", ")}: ${error.message}`;
  return [id, status, kind, String(stage), String(items), String(epoch), when(started), what];
}
