import type { Command } from "commander";
import type { ScheduleResource } from "@filemill/contract/schedules.ts";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, table, when } from "../terminal/print.ts";
import { everything } from "../terminal/take.ts";

export function schedulesList(context: Context): Command {
  return verb("list", "list schedules, when they come due and what came of the last time").action(async (options: JsonOption) => {
    const client = await clientOf(context);
    const schedules = await everything(client.schedules.list({ signal: context.signal }));
    printResult(context, options, {
      json: { data: schedules },
      text: () => table(["NAME", "CRON", "TIME ZONE", "NEXT (UTC)", "LAST (UTC)", "OUTCOME"], schedules.map(rowOf)),
    });
  });
}

function rowOf({ name, cron, time_zone, paused, next_run, last_run }: ScheduleResource): string[] {
  return [name, cron, time_zone, paused ? "paused" : when(next_run), when(last_run?.due_at ?? null), last_run?.outcome ?? "–"];
}
