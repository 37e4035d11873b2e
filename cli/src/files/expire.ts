import type { FileResource } from "@filemill/contract/files.ts";
import type { Command } from "commander";
import { parseDuration } from "@filemill/contract/parse-units.ts";
import { clientOf, type Context } from "../context.ts";
import { CliError, EXIT } from "../exit.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, when } from "../terminal/print.ts";

export function filesExpire(context: Context): Command {
  return verb("expire", "say when files end by themselves")
    .argument("<when>", "a time (2027-01-31T00:00:00Z), from now (30d, 12h), or never")
    .argument("<ids...>", "file_…")
    .action(async (text: string, ids: string[], options: JsonOption) => {
      const expiresAt = timeOf(text);
      const client = await clientOf(context);
      const files: FileResource[] = [];
      for (const id of ids) files.push(await client.files.setExpiry(id, expiresAt));
      printResult(context, options, {
        json: { data: files },
        text: () => files.map(({ id, expires_at }) => `${id} ends ${expires_at === null ? "never" : when(expires_at)}`),
      });
    });
}

function timeOf(text: string): Date | null {
  if (text === "never") return null;
  const time = Date.parse(text);
  if (!Number.isNaN(time) && /^\d{4}-/.test(text)) return new Date(time);
  try {
    return new Date(Date.now() + parseDuration(text));
  } catch {
    throw new CliError(`"${text}" is no time. Write 2027-01-31T00:00:00Z, 30d or never.`, EXIT.usage);
  }
}
