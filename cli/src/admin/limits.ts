import { parseSize } from "@filemill/contract/parse-units.ts";
import { InvalidArgumentError, type Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";
import { wholeNumber } from "../terminal/take.ts";
import { usageLines } from "../usage.ts";

interface LimitsOptions extends JsonOption {
  readonly bytes: number | null;
  readonly files: number | null;
}

export function adminLimits(context: Context): Command {
  return verb("limits", "say how much a tenant may keep; what is left out is without a limit")
    .argument("<tenant>", "ten_…")
    .option("--bytes <size>", "such as 10GiB, or none", sizeOrNone, null)
    .option("--files <count>", "such as 100000, or none", countOrNone, null)
    .action(async (tenant: string, options: LimitsOptions) => {
      const client = await clientOf(context);
      const answer = await client.admin.setLimits(tenant, { bytes: options.bytes, files: options.files });
      printResult(context, options, { json: answer, text: () => usageLines(answer) });
    });
}

function sizeOrNone(text: string): number | null {
  if (text === "none") return null;
  try {
    return parseSize(text);
  } catch {
    throw new InvalidArgumentError("It must be a size such as 10GiB, or none.");
  }
}

function countOrNone(text: string): number | null {
  return text === "none" ? null : wholeNumber(text);
}
