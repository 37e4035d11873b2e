import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, table } from "../terminal/print.ts";
import { everything } from "../terminal/take.ts";

export function pipelinesList(context: Context): Command {
  return verb("list", "list pipelines, the built-in ones too").action(async (options: JsonOption) => {
    const client = await clientOf(context);
    const pipelines = await everything(client.pipelines.list({ signal: context.signal }));
    printResult(context, options, {
      json: { data: pipelines },
      text: () =>
        table(
          ["NAME", "VERSION", "DESCRIPTION"],
          pipelines.map((one) => [one.name, one.built_in ? "built-in" : String(one.version), one.document.description ?? ""]),
        ),
    });
  });
}
