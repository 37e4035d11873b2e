import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, when } from "../terminal/print.ts";

export function schedulesPause(context: Context): Command {
  return verb("pause", "let due times pass until it is resumed")
    .argument("<schedule>", "name or sch_…")
    .action(async (schedule: string, options: JsonOption) => {
      const client = await clientOf(context);
      const paused = await client.schedules.pause(schedule);
      printResult(context, options, { json: paused, text: () => [`${paused.name} paused`] });
    });
}

export function schedulesResume(context: Context): Command {
  return verb("resume", "go on with the next due time")
    .argument("<schedule>", "name or sch_…")
    .action(async (schedule: string, options: JsonOption) => {
      const client = await clientOf(context);
      const resumed = await client.schedules.resume(schedule);
      printResult(context, options, { json: resumed, text: () => [`${resumed.name} comes due ${when(resumed.next_run)}`] });
    });
}
