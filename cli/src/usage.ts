import type { UsageAnswer } from "@filemill/contract/usage.ts";
import type { Command } from "commander";
import { clientOf, type Context } from "./context.ts";
import { verb, type JsonOption } from "./terminal/command.ts";
import { printResult, size, table } from "./terminal/print.ts";

export function usage(context: Context): Command {
  return verb("usage", "what you keep, and may keep").action(async (options: JsonOption) => {
    const client = await clientOf(context);
    const answer = await client.usage.get();
    printResult(context, options, { json: answer, text: () => usageLines(answer) });
  });
}

export function usageLines({ used, reserved, limits, by_storage_class: classes }: UsageAnswer): string[] {
  const filled = Object.entries(classes).filter(([, { files }]) => files > 0);
  const rows = [
    ["used", size(used.bytes), String(used.files)],
    ...(filled.length > 1 ? filled.map(([name, amount]) => [`  ${name}`, size(amount.bytes), String(amount.files)]) : []),
    ...(reserved.files + reserved.bytes > 0 ? [["under way", size(reserved.bytes), String(reserved.files)]] : []),
    ["limit", limits.bytes === null ? "none" : size(limits.bytes), limits.files === null ? "none" : String(limits.files)],
  ];
  return table(["", "BYTES", "FILES"], rows);
}
