import { Option, type Command } from "commander";
import { MissedPolicy, OverlapPolicy } from "@filemill/contract/schedules.ts";
import { clientOf, type Context } from "../context.ts";
import { CliError, EXIT } from "../exit.ts";
import { readDocument } from "../pipelines/document.ts";
import { sourceOf, withSourceOptions, type SourceOptions } from "../sources/options.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { pairs, typedPairs } from "../terminal/pairs.ts";
import { printResult } from "../terminal/print.ts";
import { describe } from "./show.ts";

interface PutOptions extends JsonOption, SourceOptions {
  readonly cron: string;
  readonly timeZone?: string;
  readonly missed?: MissedPolicy;
  readonly overlap?: OverlapPolicy;
  readonly paused?: boolean;
  readonly input?: string[];
  readonly with?: string[];
  readonly metadata?: string[];
  readonly priority?: string;
}

export function schedulesPut(context: Context): Command {
  return withSourceOptions(verb("put", "make a schedule, or replace what it runs and when"))
    .argument("<schedule>", "its name, or the id of one that is there")
    .argument("<pipeline>", "name, name@version, or a .json file with a pipeline document")
    .requiredOption("-c, --cron <expression>", "such as '30 2 * * *': minute hour day month weekday; seconds may stand before them")
    .option("-z, --time-zone <name>", "in which it is read, such as Europe/Berlin (default: UTC)")
    .addOption(new Option("--missed <policy>", "due times at which nothing could run (default: run_once)").choices(MissedPolicy.options))
    .addOption(new Option("--overlap <policy>", "while the last job has not ended (default: allow)").choices(OverlapPolicy.options))
    .option("--paused", "store it without starting it")
    .option("-i, --input <id...>", "files or bulk uploads that every job takes; these or a place to collect from")
    .option("-w, --with <key=value...>", "parameters of the pipeline")
    .option("-m, --metadata <key=value...>", "attach to the jobs")
    .option("-p, --priority <number>", "-100 to 100, higher first")
    .action((schedule: string, pipeline: string, options: PutOptions) => put(context, { schedule, pipeline, options }));
}

async function put(context: Context, { schedule, pipeline, options }: { schedule: string; pipeline: string; options: PutOptions }) {
  const client = await clientOf(context);
  const source = await sourceOf(options, { client, signal: context.signal });
  if ((source === undefined) === (options.input === undefined)) {
    throw new CliError("Name the inputs with --input, or one place to collect from (--from-…).", EXIT.usage);
  }
  const stored = await client.schedules.put(schedule, {
    pipeline: pipeline.endsWith(".json") ? await readDocument(pipeline) : pipeline,
    cron: options.cron,
    ...(source ? { source } : { inputs: options.input ?? [] }),
    ...(options.timeZone !== undefined && { time_zone: options.timeZone }),
    ...(options.missed !== undefined && { missed: options.missed }),
    ...(options.overlap !== undefined && { overlap: options.overlap }),
    ...(options.paused === true && { paused: true }),
    ...(options.with && { params: typedPairs(options.with) }),
    ...(options.metadata && { metadata: pairs(options.metadata) }),
    ...(options.priority !== undefined && { priority: Number(options.priority) }),
  });
  printResult(context, options, { json: stored, text: () => describe(stored) });
}
