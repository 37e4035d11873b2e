import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";

export function filesHold(context: Context): Command {
  return verb("hold", "put files under a legal hold: nobody can delete them (for admins)")
    .argument("<ids...>", "file_…")
    .requiredOption("--reason <text>", "for the record")
    .action(async (ids: string[], options: JsonOption & { reason: string }) => {
      const client = await clientOf(context);
      for (const id of ids) await client.files.hold(id, options.reason);
      printResult(context, options, { json: { held: ids }, text: () => ids.map((id) => `${id} held`) });
    });
}

export function filesRelease(context: Context): Command {
  return verb("release", "lift legal holds (for admins)")
    .argument("<ids...>", "file_…")
    .action(async (ids: string[], options: JsonOption) => {
      const client = await clientOf(context);
      for (const id of ids) await client.files.liftHold(id);
      printResult(context, options, { json: { released: ids }, text: () => ids.map((id) => `${id} released`) });
    });
}
