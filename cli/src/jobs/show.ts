import type { Command } from "commander";
import type { JobResource } from "@filemill/contract/jobs.ts";
import type { SourceProgress } from "@filemill/contract/source.ts";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, size, when } from "../terminal/print.ts";
import { outcome, troubles } from "./follow.ts";

export function jobsShow(context: Context): Command {
  return verb("show", "show one job")
    .argument("<id>", "job_…")
    .action(async (id: string, options: JsonOption) => {
      const client = await clientOf(context);
      const job = await client.jobs.get(id);
      const reasons = options.json ? [] : await troubles(client, job);
      printResult(context, options, { json: job, text: () => describe(job, reasons) });
    });
}

/** A job for people, a line a fact. */
export function describe(job: JobResource, reasons: readonly string[]): string[] {
  const version = job.pipeline.version === null ? "" : `@${job.pipeline.version}`;
  return [
    `${job.id}  ${job.pipeline.name}${version}`,
    `  status    ${outcome(job)}, ${Math.floor(job.progress)} %`,
    `  created   ${when(job.created_at)}`,
    `  started   ${when(job.started_at)}`,
    job.finished_at === null ? `  expected  ${when(job.estimated_completion)}` : `  finished  ${when(job.finished_at)}`,
    ...(job.after?.waiting === true ? [`  waits for ${openOf(job.after).join(", ")}`] : []),
    ...(job.source ? [`  source    ${sourceLine(job.source)}`] : []),
    ...job.output_files.slice(0, SHOWN).map((file) => `  output    ${file.id}  ${size(file.size)}  ${file.step}/${file.name}`),
    ...(job.output_files.length > SHOWN ? [`  output    … and ${job.output_files.length - SHOWN} more`] : []),
    ...reasons.map((reason) => `  error     ${reason}`),
  ];
}

function openOf({ jobs }: NonNullable<JobResource["after"]>): string[] {
  return jobs.flatMap(({ job_id, outcome }) => (outcome === null ? [job_id] : []));
}

function sourceLine({ kind, status, listed, collected, unchanged, collected_bytes: bytes }: SourceProgress): string {
  if (kind === "generate") return `${kind}, ${status}: ${listed} generated`;
  return `${kind}, ${status}: ${listed} listed, ${collected} collected (${size(bytes)}), ${unchanged} unchanged`;
}

const SHOWN = 20;
