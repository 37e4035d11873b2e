import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { CliError, EXIT } from "../exit.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";
import { statusLines } from "./status.ts";

interface Options extends JsonOption {
  readonly root?: boolean;
  /** `true`: without an id. */
  readonly tenant?: string | true;
}

export function keysRotate(context: Context): Command {
  return verb("rotate", "make a new version of a key; what lies under older ones is wrapped anew behind it (for operators)")
    .option("--root", "of the root key, under which tenants' keys lie")
    .option("--tenant [id]", "of a tenant's key (ten_…), under which its objects' keys lie; of your own without an id")
    .action(async (options: Options) => {
      const { root, tenant } = options;
      if ((root === true) === (tenant !== undefined)) throw new CliError("Say which key: --root or --tenant [id].", EXIT.usage);
      const { keys } = await clientOf(context);
      const status = await keys.rotate(
        root === true ? { scope: "root" } : { scope: "tenant", ...(typeof tenant === "string" && { tenant_id: tenant }) },
      );
      printResult(context, options, { json: status, text: () => statusLines(status) });
    });
}
