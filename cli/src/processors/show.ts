import type { Command } from "commander";
import type { ProcessorResource } from "@filemill/contract/pipelines.ts";
import { clientOf, type Context } from "../context.ts";
import { CliError, EXIT } from "../exit.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, table } from "../terminal/print.ts";

export function processorsShow(context: Context): Command {
  return verb("show", "show a processor and its parameters")
    .argument("<name>", "such as image.resize")
    .action(async (name: string, options: JsonOption) => {
      const client = await clientOf(context);
      const found = (await client.processors.list()).find((one) => one.name === name);
      if (!found) throw new CliError(`There is no processor "${name}"; \`filemill processors list\` shows all.`, EXIT.notFound);
      printResult(context, options, { json: found, text: () => describe(found) });
    });
}

function describe(processor: ProcessorResource): string[] {
  return [
    `${processor.name} ${processor.version}: ${processor.title}`,
    processor.description,
    "",
    `kind      ${processor.kind}, emits ${processor.emits}`,
    `accepts   ${processor.accepts.join(", ")}`,
    `produces  ${processor.produces.join(", ")}`,
    `results   ${processor.cacheable ? "can be used again, where a step says cache: true" : "are made anew each time"}`,
    "",
    ...parameterTable(processor.parameters),
    "",
    `example   ${JSON.stringify(processor.example)}`,
  ];
}

function parameterTable(schema: Readonly<Record<string, unknown>>): string[] {
  const properties = schema["properties"];
  if (typeof properties !== "object" || properties === null) return ["no parameters"];
  const rows = Object.entries(properties).map(([name, one]) => [
    name,
    text(one, "type", "enum"),
    text(one, "default"),
    text(one, "description", "title"),
  ]);
  return table(["PARAMETER", "TYPE", "DEFAULT", "MEANING"], rows);
}

/** The first of the keywords that the schema has, as text. */
function text(schema: unknown, ...keywords: readonly string[]): string {
  if (typeof schema !== "object" || schema === null) return "";
  for (const [keyword, value] of Object.entries(schema)) {
    if (keywords.includes(keyword)) return Array.isArray(value) ? value.join(" | ") : String(value);
  }
  return "";
}
