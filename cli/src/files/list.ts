import type { Command } from "commander";
import type { FileResource } from "@filemill/contract/files.ts";
import { clientOf, type Context } from "../context.ts";
import { take, limitOption } from "../terminal/take.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, size, table, when } from "../terminal/print.ts";

export function filesList(context: Context): Command {
  return verb("list", "list files, newest first")
    .addOption(limitOption())
    .action(async (options: JsonOption & { limit: number }) => {
      const client = await clientOf(context);
      const files = await take(client.files.list({ limit: Math.min(options.limit, 200), signal: context.signal }), options.limit);
      printResult(context, options, {
        json: { data: files },
        text: () => table(["ID", "CREATED", "SIZE", "TYPE", "NAME"], files.map(row)),
      });
    });
}

function row(file: FileResource): string[] {
  return [file.id, when(file.created_at), size(file.size), file.media_type, file.name];
}
