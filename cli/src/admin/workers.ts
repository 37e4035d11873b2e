import type { WorkerResource } from "@filemill/contract/workers.ts";
import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, table, when } from "../terminal/print.ts";
import { wholeNumber } from "../terminal/take.ts";

export function adminWorkers(context: Context): Command {
  return verb("workers", "list the worker processes, or say how many this machine runs")
    .argument("[count]", "of worker processes from now on, where `filemill up` runs them", wholeNumber)
    .action(async (count: number | undefined, options: JsonOption) => {
      const { admin } = await clientOf(context);
      if (count !== undefined) {
        const resized = await admin.setWorkers(count);
        return printResult(context, options, { json: resized, text: () => [`${resized.count} workers, ${resized.was} before`] });
      }
      const workers = await admin.workers();
      printResult(context, options, {
        json: { data: workers },
        text: () => table(["ID", "STATUS", "TASKS", "LANES", "HOST", "PID", "SINCE"], workers.map(row)),
      });
    });
}

function row({ id, status, running_tasks, slots, lanes, host, pid, started_at }: WorkerResource): string[] {
  return [id, status, `${running_tasks} of ${slots}`, lanes.join(","), host, String(pid), when(started_at)];
}
