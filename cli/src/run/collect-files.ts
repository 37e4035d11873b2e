import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { CliError, EXIT } from "../exit.ts";
import { followJob, outcome, troubles } from "../jobs/follow.ts";
import { sourceOf, withSourceOptions, type SourceOptions } from "../sources/options.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, size } from "../terminal/print.ts";
import { createProgress } from "../terminal/progress.ts";

/** Takes everything as it is. */
const PIPELINE = { name: "collect", steps: { taken: { use: "file.validate" } } };

export function collect(context: Context): Command {
  return withSourceOptions(verb("collect", "have the server fetch files from elsewhere and keep them")).action(
    (options: SourceOptions & JsonOption) => collectFiles(context, options),
  );
}

async function collectFiles(context: Context, options: SourceOptions & JsonOption): Promise<void> {
  const client = await clientOf(context);
  const { signal } = context;
  const source = await sourceOf(options, { client, signal });
  if (source === undefined || source.kind === "generate")
    throw new CliError("Name a place: --from-urls, --from-s3, --from-azure or --from-folder.", EXIT.usage);
  const progress = createProgress(context, { quiet: options.json === true });
  try {
    const accepted = await client.jobs.submit({ pipeline: PIPELINE, source }, { signal });
    const job = await followJob({ client, jobId: accepted.job_id, title: `collect from ${source.kind}`, progress, signal });
    progress.stop();
    const { collected = 0, unchanged = 0, collected_bytes: bytes = 0 } = job.source ?? {};
    const reasons = job.status === "completed" ? [] : await troubles(client, job);
    printResult(context, options, {
      json: { job },
      text: () => [
        `${job.id} ${outcome(job)}`,
        `  ${collected} files collected (${size(bytes)}), ${unchanged} unchanged since an earlier job`,
      ],
    });
    if (job.status !== "completed") {
      throw new CliError([`${job.id} ${outcome(job)}.`, ...reasons.map((reason) => `  ${reason}`)].join("\n"), EXIT.failure, {
        code: `job_${job.status}`,
      });
    }
  } finally {
    progress.stop();
  }
}
