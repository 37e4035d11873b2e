import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";

export function filesLink(context: Context): Command {
  return verb("link", "make a link by which anybody can fetch the file for a while")
    .argument("<id>", "file_…")
    .option("--expires-in <duration>", "how long, such as 1h; at most 7d (default: 15m)")
    .option("--revoke", "end all links to the file instead")
    .action(async (id: string, options: JsonOption & { expiresIn?: string; revoke?: boolean }) => {
      const { links } = await clientOf(context);
      if (options.revoke === true) {
        await links.revokeFile(id);
        printResult(context, options, { json: { revoked: id }, text: () => [`all links to ${id} are revoked`] });
        return;
      }
      const link = await links.toFile(id, { expiresIn: options.expiresIn });
      printResult(context, options, { json: link, text: () => [link.url] });
    });
}
