import type { FileResource } from "@filemill/contract/files.ts";
import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";

export function filesRestore(context: Context): Command {
  return verb("restore", "bring files back from a colder storage class")
    .argument("<ids...>", "file_…")
    .action(async (ids: string[], options: JsonOption) => {
      const client = await clientOf(context);
      const files: FileResource[] = [];
      for (const id of ids) files.push(await client.files.restore(id));
      printResult(context, options, {
        json: { data: files },
        text: () =>
          files.map(({ id, storage_class }) => `${id} ${storage_class === "hot" ? "is there" : "is being brought back; this takes hours"}`),
      });
    });
}
