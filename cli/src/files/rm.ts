import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";

export function filesRemove(context: Context): Command {
  return verb("rm", "delete files")
    .argument("<ids...>", "file_…")
    .action(async (ids: string[], options: JsonOption) => {
      const client = await clientOf(context);
      for (const id of ids) await client.files.remove(id);
      printResult(context, options, { json: { deleted: ids }, text: () => ids.map((id) => `${id} deleted`) });
    });
}
