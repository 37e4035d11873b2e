import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";

export function schedulesRun(context: Context): Command {
  return verb("run", "make a job of a schedule now; its due times stay as they are")
    .argument("<schedule>", "name or sch_…")
    .action(async (schedule: string, options: JsonOption) => {
      const client = await clientOf(context);
      const job = await client.schedules.run(schedule);
      printResult(context, options, { json: job, text: () => [`${job.job_id} ${job.status}`] });
    });
}
