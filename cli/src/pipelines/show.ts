import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";

export function pipelinesShow(context: Context): Command {
  return verb("show", "print the document of a pipeline")
    .argument("<name>", "name or name@version")
    .action(async (name: string, options: JsonOption) => {
      const client = await clientOf(context);
      const found = await client.pipelines.get(name);
      printResult(context, options, { json: found, text: () => [JSON.stringify(found.document, null, 2)] });
    });
}
