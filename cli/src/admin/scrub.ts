import type { ScrubAnswer } from "@filemill/contract/scrub.ts";
import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, size, table, when } from "../terminal/print.ts";

export function adminScrub(context: Context): Command {
  return verb("scrub", "how the reading of all stored files stands, and which it found damaged")
    .option("--start", "begin anew, within a minute")
    .action(async (options: JsonOption & { start?: boolean }) => {
      const { admin } = await clientOf(context);
      const state = options.start === true ? await admin.startScrub() : await admin.scrub();
      printResult(context, options, { json: state, text: () => scrubLines(state) });
    });
}

export function scrubLines(state: ScrubAnswer): string[] {
  const { cycle, last_cycle: last, damaged } = state;
  const now = state.running
    ? "reading"
    : state.cycle_started_at !== null && state.cycle_finished_at === null
      ? "waiting for a turn"
      : "idle";
  return [
    `${now}; this cycle: ${figures(cycle)}, since ${when(state.cycle_started_at)}`,
    ...(last === null ? [] : [`last whole cycle: ${figures(last)}`]),
    ...(damaged.length === 0
      ? ["no damaged files"]
      : table(
          ["FILE", "FOUND", "WHAT", "TENANT", "NAME"],
          damaged.map(({ file_id, found_at, kind, tenant_id, name }) => [file_id, when(found_at), kind, tenant_id, name]),
        )),
  ];
}

function figures({ files, bytes, missing, damaged, healed, unread }: ScrubAnswer["cycle"]): string {
  const odd = [["missing", missing] as const, ["damaged", damaged] as const, ["right again", healed] as const, ["unread", unread] as const];
  const told = odd.filter(([, count]) => count > 0).map(([what, count]) => `, ${count} ${what}`);
  return `${files} files, ${size(bytes)}${told.join("")}`;
}
