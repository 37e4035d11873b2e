import type { Command } from "commander";
import type { ScheduleResource } from "@filemill/contract/schedules.ts";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, when } from "../terminal/print.ts";

export function schedulesShow(context: Context): Command {
  return verb("show", "show one schedule")
    .argument("<schedule>", "name or sch_…")
    .action(async (name: string, options: JsonOption) => {
      const client = await clientOf(context);
      const schedule = await client.schedules.get(name);
      printResult(context, options, { json: schedule, text: () => describe(schedule) });
    });
}

/** A schedule for people, a line a fact. */
export function describe(schedule: ScheduleResource): string[] {
  const { pipeline, last_run: last } = schedule;
  return [
    `${schedule.id}  ${schedule.name}`,
    `  pipeline  ${typeof pipeline === "string" ? pipeline : "a document of its own"}`,
    `  cron      ${schedule.cron} (${schedule.time_zone})`,
    `  policies  missed ${schedule.missed}, overlap ${schedule.overlap}`,
    `  next      ${schedule.paused ? "paused" : when(schedule.next_run)}`,
    `  last      ${last ? `${when(last.due_at)}, ${last.outcome}` : "–"}`,
    ...(schedule.last_job_id === null ? [] : [`  last job  ${schedule.last_job_id}`]),
    ...(last?.error ? [`  error     ${last.error.message} (${last.error.code})`] : []),
  ];
}
