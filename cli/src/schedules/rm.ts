import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";

export function schedulesRemove(context: Context): Command {
  return verb("rm", "delete a schedule; the jobs that it made stay")
    .argument("<schedule>", "name or sch_…")
    .action(async (schedule: string, options: JsonOption) => {
      const client = await clientOf(context);
      await client.schedules.remove(schedule);
      printResult(context, options, { json: { deleted: schedule }, text: () => [`${schedule} deleted`] });
    });
}
