import { encodeId } from "@filemill/contract/ids.ts";
import type { MissedPolicy, OverlapPolicy, ScheduleResource } from "@filemill/contract/schedules.ts";
import type { Transaction } from "../../db/database.ts";
import { sql, type Statement } from "../../db/sql.ts";
import type { ScheduledOrder } from "./order.ts";

/** What a schedule is, apart from what has become of it. */
export interface ScheduleDefinition {
  readonly name: string;
  readonly order: ScheduledOrder;
  readonly cron: string;
  readonly timeZone: string;
  readonly missed: MissedPolicy;
  readonly overlap: OverlapPolicy;
  readonly paused: boolean;
}

export interface ScheduleRow extends ScheduleDefinition {
  readonly id: string;
  readonly tenantId: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly nextRunAt: Date | null;
  readonly lastDueAt: Date | null;
  readonly lastOutcome: "started" | "skipped" | "failed" | null;
  readonly lastJobId: string | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  /** The database's clock. */
  readonly now: Date;
}

/** By id or by name. */
export type ScheduleKey = { readonly id: string } | { readonly name: string };

const COLUMNS = sql`id, tenant_id AS "tenantId", name, job AS "order", cron, time_zone AS "timeZone", missed, overlap, paused,
  created_at AS "createdAt", updated_at AS "updatedAt", next_run_at AS "nextRunAt", last_due_at AS "lastDueAt",
  last_outcome AS "lastOutcome", last_job_id AS "lastJobId", error, now() AS now`;
/** Row-level security says the same; a transaction that serves no tenant fails here instead of seeing all. */
const OWN = sql`tenant_id = (SELECT current_setting('filemill.tenant')::uuid)`;

export async function findSchedule(transaction: Transaction, key: ScheduleKey): Promise<ScheduleRow | undefined> {
  const [row] = await transaction.query<ScheduleRow>(sql`SELECT ${COLUMNS} FROM schedules WHERE ${OWN} AND ${isKey(key)}`);
  return row;
}

/** As findSchedule, held until the commit. */
export async function lockSchedule(transaction: Transaction, key: ScheduleKey): Promise<ScheduleRow | undefined> {
  const [row] = await transaction.query<ScheduleRow>(sql`SELECT ${COLUMNS} FROM schedules WHERE ${OWN} AND ${isKey(key)} FOR UPDATE`);
  return row;
}

/** The schedule if it is due and nobody else is at it, held until the commit. */
export async function lockDue(transaction: Transaction, id: string): Promise<ScheduleRow | undefined> {
  const [row] = await transaction.query<ScheduleRow>(sql`
    SELECT ${COLUMNS} FROM schedules WHERE ${OWN} AND id = ${id}::uuid AND next_run_at <= now() FOR UPDATE SKIP LOCKED`);
  return row;
}

/** The tenant's schedules by name, at most `limit`, behind the name `after`. */
export async function listSchedules(
  transaction: Transaction,
  page: { readonly limit: number; readonly after: string },
): Promise<ScheduleRow[]> {
  return await transaction.query<ScheduleRow>(sql`
    SELECT ${COLUMNS} FROM schedules WHERE ${OWN} AND name > ${page.after} ORDER BY name LIMIT ${page.limit}`);
}

export async function countSchedules(transaction: Transaction): Promise<number> {
  const [row] = await transaction.query<{ count: number }>(sql`SELECT count(*) AS count FROM schedules WHERE ${OWN}`);
  return row?.count ?? 0;
}

export async function insertSchedule(
  transaction: Transaction,
  schedule: ScheduleDefinition & { readonly id: string; readonly tenantId: string; readonly nextRunAt: Date | null },
): Promise<void> {
  const { id, tenantId, name, order, cron, timeZone, missed, overlap, paused, nextRunAt } = schedule;
  await transaction.execute(sql`
    INSERT INTO schedules (id, tenant_id, name, job, cron, time_zone, missed, overlap, paused, next_run_at)
    VALUES (${id}::uuid, ${tenantId}::uuid, ${name}, ${JSON.stringify(order)}::jsonb, ${cron}, ${timeZone}, ${missed}, ${overlap}, ${paused},
      ${nextRunAt})`);
}

export async function replaceSchedule(
  transaction: Transaction,
  schedule: ScheduleDefinition & { readonly id: string; readonly nextRunAt: Date | null },
): Promise<void> {
  const { id, name, order, cron, timeZone, missed, overlap, paused, nextRunAt } = schedule;
  await transaction.execute(sql`
    UPDATE schedules SET name = ${name}, job = ${JSON.stringify(order)}::jsonb, cron = ${cron}, time_zone = ${timeZone}, missed = ${missed},
      overlap = ${overlap}, paused = ${paused}, next_run_at = ${nextRunAt}, updated_at = now()
    WHERE ${OWN} AND id = ${id}::uuid`);
}

export async function deleteSchedule(transaction: Transaction, id: string): Promise<void> {
  await transaction.execute(sql`DELETE FROM schedules WHERE ${OWN} AND id = ${id}::uuid`);
}

export async function pauseSchedule(
  transaction: Transaction,
  schedule: { id: string; paused: boolean; nextRunAt: Date | null },
): Promise<void> {
  await transaction.execute(sql`
    UPDATE schedules SET paused = ${schedule.paused}, next_run_at = ${schedule.nextRunAt}, updated_at = now()
    WHERE ${OWN} AND id = ${schedule.id}::uuid`);
}

export interface RunRecord {
  readonly id: string;
  readonly dueAt: Date;
  readonly outcome: "started" | "skipped" | "failed";
  readonly jobId: string | undefined;
  readonly error: { readonly code: string; readonly message: string } | undefined;
}

/** What came of a due time; the job of an earlier one stays where there is none now. */
export async function recordRun(transaction: Transaction, run: RunRecord): Promise<void> {
  await transaction.execute(sql`
    UPDATE schedules SET last_due_at = ${run.dueAt}, last_outcome = ${run.outcome},
      last_job_id = coalesce(${run.jobId ?? null}::uuid, last_job_id), error = ${run.error ? JSON.stringify(run.error) : null}::jsonb
    WHERE ${OWN} AND id = ${run.id}::uuid`);
}

export async function moveOn(transaction: Transaction, schedule: { readonly id: string; readonly nextRunAt: Date | null }): Promise<void> {
  await transaction.execute(sql`UPDATE schedules SET next_run_at = ${schedule.nextRunAt} WHERE ${OWN} AND id = ${schedule.id}::uuid`);
}

export function scheduleResource(row: ScheduleRow): ScheduleResource {
  const { order, lastDueAt, lastOutcome, lastJobId } = row;
  return {
    id: encodeId("schedule", row.id),
    name: row.name,
    pipeline: order.pipeline,
    inputs: order.inputs.length > 0 ? [...order.inputs] : null,
    source: order.source ?? null,
    params: { ...order.params },
    priority: order.priority,
    metadata: order.metadata,
    cron: row.cron,
    time_zone: row.timeZone,
    missed: row.missed,
    overlap: row.overlap,
    paused: row.paused,
    next_run: row.nextRunAt?.toISOString() ?? null,
    last_run: lastDueAt && lastOutcome && { due_at: lastDueAt.toISOString(), outcome: lastOutcome, error: row.error },
    last_job_id: lastJobId && encodeId("job", lastJobId),
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}

function isKey(key: ScheduleKey): Statement {
  return "id" in key ? sql`id = ${key.id}::uuid` : sql`name = ${key.name}`;
}
