import { fileURLToPath } from "node:url";
import { join } from "node:path";
import type { JobResource } from "@filemill/contract/jobs.ts";
import type { Context } from "../context.ts";
import { CliError, explain } from "../exit.ts";
import { freePath } from "../files/names.ts";
import { localFiles, type LocalFile } from "../files/paths.ts";
import { sendFiles } from "../files/send.ts";
import { followJob, outcome, troubles } from "../jobs/follow.ts";
import { collectOutputs, type Collected } from "../run/collect.ts";
import { size, table } from "../terminal/print.ts";
import { createProgress, type Progress } from "../terminal/progress.ts";
import { DEMO_RUNS, type DemoRun } from "./runs.ts";
import { startScratchPlatform, type ScratchPlatform } from "./scratch-platform.ts";

const SAMPLES = fileURLToPath(new URL("../../../samples/", import.meta.url));

interface Shown {
  readonly run: DemoRun;
  readonly files: readonly LocalFile[];
  readonly job: JobResource;
  readonly outputs: readonly Collected[];
  readonly seconds: number;
}

/** Starts a platform, runs the samples through it and stops it again. Rejects with CliError; nothing is left running then. */
export async function demo(context: Context, options: { keep: boolean }): Promise<void> {
  say(context, "Starting a platform of its own (embedded PostgreSQL, API, workers) …");
  const started = performance.now();
  const platform = await startScratchPlatform(context.environment, context.signal);
  let kept = false;
  try {
    say(context, `Ready after ${seconds(started)} s at ${platform.url}\n`);
    const results = await freePath("filemill-results");
    const shown = await showRuns(context, platform, results);
    context.stdout.write(`${summary(shown, results).join("\n")}\n`);
    if (options.keep) {
      kept = true;
      platform.leave();
      context.stdout.write(`${howToGoOn(platform).join("\n")}\n`);
    }
  } catch (error) {
    if (context.signal.aborted) throw error;
    const reason = explain(error).lines.join("\n");
    throw new CliError(`The demo failed: ${reason}\nThe end of the platform's log:\n${await platform.logTail()}`, 1, { cause: error });
  } finally {
    if (!kept) await platform.stop();
  }
}

async function showRuns(context: Context, platform: ScratchPlatform, results: string): Promise<Shown[]> {
  const progress = createProgress(context);
  try {
    const shown: Shown[] = [];
    for (const run of DEMO_RUNS) shown.push(await showRun({ context, platform, run, progress, folder: join(results, run.pipeline.name) }));
    return shown;
  } finally {
    progress.stop();
  }
}

async function showRun(showing: {
  context: Context;
  platform: ScratchPlatform;
  run: DemoRun;
  progress: Progress;
  folder: string;
}): Promise<Shown> {
  const { context, platform, run, progress, folder } = showing;
  const { client } = platform;
  const { signal } = context;
  const path = join(SAMPLES, run.folder);
  const files = await localFiles([path]);
  const started = performance.now();
  const stored = await sendFiles({ client, files, progress, signal });
  const accepted = await client.jobs.submit({ pipeline: run.pipeline, inputs: stored.map((file) => file.id) }, { signal });
  const job = await followJob({ client, jobId: accepted.job_id, title: run.title, progress, signal });
  if (job.status !== "completed") {
    throw new CliError([`${run.pipeline.name} ${outcome(job)}`, ...(await troubles(client, job))].join("\n  "));
  }
  const outputs = await collectOutputs({ client, job, folder, progress, signal });
  return { run, files, job, outputs, seconds: Number(seconds(started)) };
}

function summary(shown: readonly Shown[], results: string): string[] {
  const rows = shown.map(({ run, files, outputs, seconds: took }) => [
    run.title,
    run.pipeline.name,
    String(files.length),
    String(outputs.length),
    size(outputs.reduce((total, output) => total + output.size, 0)),
    took.toFixed(1),
  ]);
  return ["", ...table(["WHAT", "PIPELINE", "FILES IN", "FILES OUT", "SIZE", "SECONDS"], rows), "", `The results are in ${results}/`];
}

function howToGoOn(platform: ScratchPlatform): string[] {
  return [
    "",
    `The platform is still running at ${platform.url} (documentation of the API: ${platform.url}/docs). To use it:`,
    `  export FILEMILL_URL=${platform.url} FILEMILL_DATA_DIR=${platform.dataFolder}`,
    "  npx filemill jobs list",
    "To stop it and remove its data:",
    `  kill ${platform.pid} && sleep 5 && rm -r ${platform.folder}`,
  ];
}

function say(context: Context, line: string): void {
  context.stderr.write(`${line}\n`);
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1_000).toFixed(1);
}
