import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { CliError, EXIT } from "../exit.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, when } from "../terminal/print.ts";
import { wholeNumber } from "../terminal/take.ts";

interface NextOptions extends JsonOption {
  readonly cron?: string;
  readonly timeZone?: string;
  readonly count: number;
}

export function schedulesNext(context: Context): Command {
  return verb("next", "say when a schedule, or an expression that is not stored, comes due next")
    .argument("[schedule]", "name or sch_…; this or --cron")
    .option("-c, --cron <expression>", "such as '30 2 * * *'")
    .option("-z, --time-zone <name>", "in which --cron is read (default: UTC)")
    .option("-n, --count <number>", "how many times", wholeNumber, 5)
    .action(async (schedule: string | undefined, options: NextOptions) => {
      const times = await nextTimes(context, { schedule, options });
      printResult(context, options, { json: { data: times }, text: () => times.map(when) });
    });
}

async function nextTimes(context: Context, { schedule, options }: { schedule: string | undefined; options: NextOptions }) {
  const { cron, timeZone, count } = options;
  if ((schedule === undefined) === (cron === undefined))
    throw new CliError("Name a schedule, or give an expression with --cron.", EXIT.usage);
  const client = await clientOf(context);
  if (schedule !== undefined) return await client.schedules.next(schedule, count);
  return await client.schedules.preview({ cron: cron ?? "", count, ...(timeZone !== undefined && { time_zone: timeZone }) });
}
