import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";

export function jobsRemove(context: Context): Command {
  return verb("rm", "delete jobs that have ended; the files that they made stay")
    .argument("<ids...>", "job_…")
    .option("--outputs", "delete the files that they made, too")
    .action(async (ids: string[], options: JsonOption & { outputs?: boolean }) => {
      const client = await clientOf(context);
      for (const id of ids) await client.jobs.remove(id, { outputs: options.outputs === true ? "delete" : "keep" });
      printResult(context, options, { json: { deleted: ids }, text: () => ids.map((id) => `${id} deleted`) });
    });
}
