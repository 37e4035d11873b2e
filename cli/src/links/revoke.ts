import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { CliError, EXIT } from "../exit.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";

export function linksRevoke(context: Context): Command {
  return verb("revoke", "end upload links, or every link of the tenant")
    .argument("[ids...]", "link_…")
    .option("--all", "every link, to files too; needs an admin's key")
    .action(async (ids: string[], options: JsonOption & { all?: boolean }) => {
      if ((ids.length === 0) !== (options.all === true)) throw new CliError("Name the links to revoke, or --all.", EXIT.usage);
      const { links } = await clientOf(context);
      if (options.all === true) await links.revokeAll();
      for (const id of ids) await links.revokeUpload(id);
      const text = () => (options.all === true ? ["all links are revoked"] : ids.map((id) => `${id} revoked`));
      printResult(context, options, { json: { revoked: options.all === true ? "all" : ids }, text });
    });
}
