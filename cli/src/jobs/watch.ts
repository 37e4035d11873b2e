import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";
import { createProgress } from "../terminal/progress.ts";
import { followJob, troubles } from "./follow.ts";
import { describe } from "./show.ts";

export function jobsWatch(context: Context): Command {
  return verb("watch", "show a job live until it has ended")
    .argument("<id>", "job_…")
    .action(async (id: string, options: JsonOption) => {
      const client = await clientOf(context);
      const progress = createProgress(context, { quiet: options.json === true });
      try {
        const { pipeline } = await client.jobs.get(id);
        const job = await followJob({ client, jobId: id, title: pipeline.name, progress, signal: context.signal });
        progress.stop();
        const reasons = options.json ? [] : await troubles(client, job);
        printResult(context, options, { json: job, text: () => describe(job, reasons) });
        if (job.status !== "completed") context.exitCode = EXIT.failure;
      } finally {
        progress.stop();
      }
    });
}
