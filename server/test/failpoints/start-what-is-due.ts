import { pino } from "pino";
import type { Database } from "../../src/db/database.ts";
import { startWaitingJobs } from "../../src/jobs/dependencies/start-waiting.ts";
import { putSchedule } from "../../src/jobs/schedules/put-schedule.ts";
import { runDueSchedules } from "../../src/jobs/schedules/run-due-schedules.ts";
import { runTriggers } from "../../src/jobs/triggers/run-triggers.ts";
import { toyCatalogue } from "../toy-catalogue.ts";

/** Puts a schedule and starts all that is due, in a fixed order. */
export async function startWhatIsDue(database: Database, tenantId: string): Promise<void> {
  const services = { database, catalogue: toyCatalogue(), log: pino({ level: "error" }, pino.destination(2)) };
  const request = {
    cron: "0 3 * * *",
    pipeline: { steps: { a: { use: "toy.pass" } } },
    source: { kind: "generate" as const, count: 1 },
  };
  await putSchedule(services, { tenantId, actor: "key_x", request, key: { name: "put" }, mode: "new_or_replaced" });
  await runDueSchedules(services);
  await runTriggers(services);
  await startWaitingJobs(services);
}
