import { Option, type Command } from "commander";
import type { LineageDirection } from "@filemill/contract/lineage.ts";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";
import { wholeNumber } from "../terminal/take.ts";
import { lineageTree } from "./lineage-tree.ts";

interface LineageOptions extends JsonOption {
  readonly direction: LineageDirection;
  readonly depth: number;
  readonly limit: number;
}

export function filesLineage(context: Context): Command {
  return verb("lineage", "show what a file was made from, and what was made from it")
    .argument("<id>", "file_…")
    .addOption(new Option("-d, --direction <direction>", "which way to look").choices(["up", "down", "both"]).default("both"))
    .addOption(new Option("--depth <steps>", "how many steps away from the file").default(10).argParser(wholeNumber))
    .addOption(new Option("-n, --limit <links>", "links between files at most, in each direction").default(1_000).argParser(wholeNumber))
    .action(async (id: string, { direction, depth, limit, ...options }: LineageOptions) => {
      const client = await clientOf(context);
      const lineage = await client.files.lineage(id, { direction, depth, limit });
      printResult(context, options, { json: lineage, text: () => lineageTree(lineage, direction) });
    });
}
