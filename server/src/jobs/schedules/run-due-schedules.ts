import type { Logger } from "pino";
import { isDatabaseAway } from "../../db/database-errors.ts";
import { LONG_STATEMENT_MS, type Database, type Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { failpoint } from "../../failpoint.ts";
import type { Catalogue } from "../../processors/catalogue.ts";
import { readCron } from "./cron.ts";
import { dueRun } from "./due-runs.ts";
import { recordFailure, runDue } from "./run-schedule.ts";
import { lockDue, moveOn, recordRun, type ScheduleRow } from "./store.ts";

export interface DueSchedules {
  readonly database: Database;
  readonly catalogue: Catalogue;
  readonly log: Logger;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Of one tenant in one round. A thousand schedules that are due every second keep others waiting for so many jobs and no
 * more; what of them comes too late is missed, as their owner has said.
 */
const BITE_OF_TENANT = 20;
const BITE = 200;
/** Then the database is away. */
const MOST_FAILURES = 3;

/**
 * Makes the jobs that are due by the database's clock. Any number of processes may do this at once: the job, the due time that
 * it is for and the next one are one transaction, which holds the schedule's row; whoever finds it held goes on to the next.
 * Gives the lanes to announce and how many schedules were looked at.
 */
export async function runDueSchedules(services: DueSchedules): Promise<{ lanes: Set<string>; due: number }> {
  const { database, signal } = services;
  const due = await database.asSystem(findDue);
  const lanes = new Set<string>();
  let failures = 0;
  for (const { id, tenantId } of due) {
    if (signal?.aborted) break;
    try {
      for (const lane of await runOne(services, { id, tenantId })) lanes.add(lane);
    } catch (error) {
      // One that needs a row which somebody holds keeps nobody else waiting.
      if (++failures === MOST_FAILURES) throw error;
    }
  }
  return { lanes, due: due.length };
}

/** Each tenant's most overdue first, the tenants in turn. */
async function findDue(transaction: Transaction): Promise<{ id: string; tenantId: string }[]> {
  return await transaction.query<{ id: string; tenantId: string }>(sql`
    SELECT id, tenant_id AS "tenantId" FROM (
      SELECT id, tenant_id, next_run_at, row_number() OVER (PARTITION BY tenant_id ORDER BY next_run_at) AS place
      FROM schedules WHERE next_run_at <= now()) AS due
    WHERE place <= ${BITE_OF_TENANT} ORDER BY place, next_run_at LIMIT ${BITE}`);
}

async function runOne(services: DueSchedules, { id, tenantId }: { id: string; tenantId: string }): Promise<ReadonlySet<string>> {
  const { database, catalogue, log } = services;
  try {
    const work = async (transaction: Transaction) => {
      const schedule = await lockDue(transaction, id);
      return schedule ? await runLocked(transaction, catalogue, schedule) : new Set<string>();
    };
    const lanes = await database.asTenant(tenantId, work, { statementMs: LONG_STATEMENT_MS });
    await failpoint("schedule-after-commit");
    return lanes;
  } catch (error) {
    if (isDatabaseAway(error)) throw error;
    log.error({ err: error, schedule: id }, "a schedule could not make its job");
    await passOver(services, { id, tenantId });
    return new Set();
  }
}

async function runLocked(transaction: Transaction, catalogue: Catalogue, schedule: ScheduleRow): Promise<ReadonlySet<string>> {
  const { id, now, missed, nextRunAt } = schedule;
  if (nextRunAt === null) return new Set();
  const { due, next, skipped } = dueRun({ times: readCron(schedule), owed: nextRunAt, now, missed });
  await moveOn(transaction, { id, nextRunAt: next ?? null });
  if (due === undefined && skipped)
    await recordRun(transaction, { id, dueAt: skipped, outcome: "skipped", jobId: undefined, error: undefined });
  const lanes = due ? await runDue(transaction, catalogue, { schedule, dueAt: due }) : new Set<string>();
  await failpoint("schedule-before-commit");
  return lanes;
}

/** Trouble that nobody foresaw must not be met again every second. */
async function passOver({ database }: DueSchedules, { id, tenantId }: { id: string; tenantId: string }): Promise<void> {
  await database.asTenant(tenantId, async (transaction) => {
    const schedule = await lockDue(transaction, id);
    if (!schedule?.nextRunAt) return;
    const error = { code: "internal", message: "The platform could not make the job; its log says why." };
    await recordFailure(transaction, { schedule, dueAt: schedule.nextRunAt, error });
    await moveOn(transaction, { id, nextRunAt: readCron(schedule).after(schedule.now) ?? null });
  });
}
