import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, table } from "../terminal/print.ts";

export function processorsList(context: Context): Command {
  return verb("list", "list what pipelines can use").action(async (options: JsonOption) => {
    const client = await clientOf(context);
    const processors = await client.processors.list();
    printResult(context, options, {
      json: { data: processors },
      text: () =>
        table(
          ["NAME", "VERSION", "KIND", "WHAT IT DOES"],
          processors.map((one) => [one.name, one.version, one.kind, one.available ? one.title : `${one.title} (not available here)`]),
        ),
    });
  });
}
