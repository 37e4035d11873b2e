import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { CliError, EXIT } from "../exit.ts";
import { freePath } from "../files/names.ts";
import { localFiles } from "../files/paths.ts";
import { sendFiles } from "../files/send.ts";
import { followJob, outcome, troubles } from "../jobs/follow.ts";
import { readDocument } from "../pipelines/document.ts";
import { requirePipeline } from "../pipelines/require-pipeline.ts";
import { sourceOf, withSourceOptions, type SourceOptions } from "../sources/options.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { pairs, typedPairs } from "../terminal/pairs.ts";
import { printResult, size } from "../terminal/print.ts";
import { createProgress } from "../terminal/progress.ts";
import { afterOf, withAfterOptions, type AfterOptions } from "./after.ts";
import { collectOutputs } from "./collect.ts";
import { prepareResultFolder } from "./result-folder.ts";

interface RunOptions extends JsonOption, SourceOptions, AfterOptions {
  readonly with?: string[];
  readonly metadata?: string[];
  readonly priority?: string;
  readonly profile?: boolean;
  readonly out?: string;
}

export function run(context: Context): Command {
  const command = verb("run", "upload files, or have them fetched, run a pipeline over them and download the results");
  return withAfterOptions(withSourceOptions(command))
    .argument("<pipeline>", "name, name@version, or a .json file with a pipeline document")
    .argument("[paths...]", "files or folders here")
    .option("-w, --with <key=value...>", "parameters of the pipeline")
    .option("-m, --metadata <key=value...>", "attach to the job")
    .option("-p, --priority <number>", "-100 to 100, higher first")
    .option("--profile", "record CPU profiles of the tasks, for `filemill tasks profile`")
    .option("-o, --out <folder>", "where the results go (default: filemill-results, or a free name like it)")
    .action((pipeline: string, paths: string[], options: RunOptions) => runPipeline(context, { pipeline, paths, options }));
}

async function runPipeline(context: Context, { pipeline, paths, options }: { pipeline: string; paths: string[]; options: RunOptions }) {
  const client = await clientOf(context);
  const { signal } = context;
  const source = await sourceOf(options, { client, signal });
  const given = [source !== undefined, paths.length > 0, options.inputsFrom !== undefined];
  if (given.filter(Boolean).length !== 1) {
    throw new CliError("Name files or folders to upload, one place to collect from (--from-…), --generate, or --inputs-from.", EXIT.usage);
  }
  const files = paths.length === 0 ? [] : await localFiles(paths);
  const request = {
    pipeline: pipeline.endsWith(".json") ? await readDocument(pipeline) : pipeline,
    ...(options.with ? { params: typedPairs(options.with) } : {}),
    ...(options.metadata ? { metadata: pairs(options.metadata) } : {}),
    ...(options.priority === undefined ? {} : { priority: Number(options.priority) }),
    ...afterOf(options),
    ...(options.profile && { profile: true }),
  };
  const folder = options.out ?? (await freePath("filemill-results"));
  const dropEmptyFolders = await prepareResultFolder(folder);
  const progress = createProgress(context, { quiet: options.json === true });
  try {
    await requirePipeline(client, request.pipeline);
    const sent = paths.length === 0 ? [] : await sendFiles({ client, files, progress, signal });
    const inputs = { ...(source && { source }), ...(sent.length > 0 && { inputs: sent.map((file) => file.id) }) };
    const accepted = await client.jobs.submit({ ...request, ...inputs }, { signal });
    const title = typeof request.pipeline === "string" ? request.pipeline : (request.pipeline.name ?? pipeline);
    const job = await followJob({ client, jobId: accepted.job_id, title, progress, signal });
    const outputs = await collectOutputs({ client, job, folder, progress, signal });
    progress.stop();
    const reasons = job.status === "completed" ? [] : await troubles(client, job);
    printResult(context, options, {
      json: { job, outputs },
      text: () => [
        `${job.id} ${outcome(job)}`,
        ...outputs.slice(0, SHOWN_OUTPUTS).map((output) => `  ${output.path} (${size(output.size)})`),
        ...(options.profile ? [`  filemill tasks profile ${job.id} shows where the time went`] : []),
        ...(outputs.length > SHOWN_OUTPUTS ? [`  and ${outputs.length - SHOWN_OUTPUTS} more in ${folder}`] : []),
      ],
    });
    if (job.status !== "completed") {
      throw new CliError([`${job.id} ${outcome(job)}.`, ...reasons.map((reason) => `  ${reason}`)].join("\n"), EXIT.failure, {
        code: `job_${job.status}`,
      });
    }
  } finally {
    await dropEmptyFolders();
    progress.stop();
  }
}

const SHOWN_OUTPUTS = 20;
