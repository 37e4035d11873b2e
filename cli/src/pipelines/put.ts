import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { CliError, EXIT } from "../exit.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";
import { readDocument } from "./document.ts";

export function pipelinesPut(context: Context): Command {
  return verb("put", "store a new version of a pipeline")
    .argument("<file>", "a .json file with a pipeline document")
    .option("--name <name>", "instead of the name in the document")
    .action(async (path: string, options: JsonOption & { name?: string }) => {
      const document = await readDocument(path);
      const name = options.name ?? document.name;
      if (!name) throw new CliError(`${path} has no "name"; add one, or give --name.`, EXIT.usage);
      const client = await clientOf(context);
      const stored = await client.pipelines.put(name, { ...document, name });
      printResult(context, options, { json: stored, text: () => [`${stored.name}@${stored.version} stored`] });
    });
}
