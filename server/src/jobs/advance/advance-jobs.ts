import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { insertTasks } from "../../queue/insert-tasks.ts";
import { appendEvents } from "../../record/events.ts";
import { keepArrivals } from "./arrivals.ts";
import { closeStages } from "./close-stages.ts";
import type { JobAdvance } from "./deliveries.ts";
import { makeTasks } from "./make-tasks.ts";
import { releaseRuns } from "./runs.ts";
import { addDeltas, lockStages, writeStages, type StageRow } from "./stage-rows.ts";

/**
 * The tail of every transaction that ends tasks or starts a job: new tasks for what was delivered, counters moved, stages
 * and jobs closed, their events written. Takes the shared rows last and in one order: stages by (job, stage), then jobs.
 * Throws JobsCancelled.
 */
export async function advanceJobs(transaction: Transaction, advances: readonly JobAdvance[]): Promise<Advanced> {
  const ordered = advances.toSorted((left, right) => (left.jobId < right.jobId ? -1 : 1));
  const locked = await lockStages(
    transaction,
    ordered.map((advance) => advance.jobId),
  );
  const lanes = new Set<string>();
  const tasks = [];
  for (const advance of ordered) tasks.push(...(await makeTasks(transaction, advance, locked.get(advance.jobId) ?? [])));
  await insertTasks(transaction, tasks);
  for (const task of tasks) lanes.add(task.lane);
  const ended: { advance: JobAdvance; rows: readonly StageRow[] }[] = [];
  for (const advance of ordered) {
    const rows = locked.get(advance.jobId) ?? [];
    await keepArrivals(transaction, advance);
    addDeltas(rows, advance);
    for (const lane of await closeStages(transaction, advance, rows)) lanes.add(lane);
    for (const lane of await releaseRuns(transaction, advance, rows)) lanes.add(lane);
    if (rows.every((row) => row.status === "closed")) ended.push({ advance, rows });
  }
  await writeStages(transaction, [...locked.values()].flat());
  if (ended.length > 0) await endJobs(transaction, ended);
  return { lanes, endedJobs: ended.length };
}

export interface Advanced {
  /** Lanes that got work, to be announced after the commit. */
  readonly lanes: Set<string>;
  readonly endedJobs: number;
}

/** Ends jobs whose stages are all closed. completed = no dead item and no dead reduce; failed = finished with at least one. */
export async function endJobs(
  transaction: Transaction,
  ended: readonly { advance: JobAdvance; rows: readonly StageRow[] }[],
): Promise<void> {
  const statuses = ended.map(({ rows }) => (rows.some((row) => row.dead > 0 || row.deadTasks > 0) ? "failed" : "completed"));
  await transaction.execute(sql`
    UPDATE jobs SET status = given.status, finished_at = now(), started_at = coalesce(started_at, now())
    FROM unnest(${ended.map(({ advance }) => advance.jobId)}::uuid[], ${statuses}::text[]) AS given(id, status)
    WHERE jobs.id = given.id AND jobs.id = ANY(ARRAY(
      SELECT id FROM jobs WHERE id = ANY(${ended.map(({ advance }) => advance.jobId)}::uuid[]) ORDER BY id FOR UPDATE))`);
  await appendEvents(
    transaction,
    ended.map(({ advance, rows }, index) => ({
      tenantId: advance.tenantId,
      jobId: advance.jobId,
      type: statuses[index] === "failed" ? ("job.failed" as const) : ("job.completed" as const),
      data: { dead_items: rows.reduce((sum, row) => sum + row.dead, 0) },
    })),
  );
}
