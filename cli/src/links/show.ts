import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, when } from "../terminal/print.ts";

export function linksShow(context: Context): Command {
  return verb("show", "look at an upload link: is it used, and which file came?")
    .argument("<id>", "link_…")
    .action(async (id: string, options: JsonOption) => {
      const { links } = await clientOf(context);
      const link = await links.upload(id);
      const used = link.used_at === null ? `not used; ends ${when(link.expires_at)}` : `used ${when(link.used_at)}: ${link.file_id}`;
      printResult(context, options, { json: link, text: () => [`${link.id} ${used}${link.job_id === null ? "" : `, ${link.job_id}`}`] });
    });
}
