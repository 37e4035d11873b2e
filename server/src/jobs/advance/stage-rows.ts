import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import type { JobAdvance } from "./deliveries.ts";

/** A stage's counters while its row is locked; written back by writeStages. */
export interface StageRow {
  readonly jobId: string;
  readonly stage: number;
  status: "open" | "closed" | "cancelled";
  openTasks: number;
  openFeeders: number;
  itemsIn: number;
  succeeded: number;
  skipped: number;
  dead: number;
  moved: number;
  deadTasks: number;
  leaves: number | null;
}

/** The job was cancelled meanwhile, or is deleted: nothing of these tasks may become true. */
export class JobsCancelled extends Error {
  readonly jobIds: ReadonlySet<string>;
  constructor(jobIds: ReadonlySet<string>) {
    super("the jobs were cancelled or deleted");
    this.name = "JobsCancelled";
    this.jobIds = jobIds;
  }
}

/**
 * Locks all stage rows of the jobs, by (job, stage). All of them and not only those that change, because an end may close
 * stage after stage: with every row in hand there is one order of locks, and whoever closes the last stage knows it.
 * Throws JobsCancelled.
 */
export async function lockStages(transaction: Transaction, jobIds: readonly string[]): Promise<Map<string, StageRow[]>> {
  const rows = await transaction.query<StageRow>(sql`
    SELECT job_id AS "jobId", stage, status, open_tasks AS "openTasks", open_feeders AS "openFeeders", items_in AS "itemsIn",
      items_succeeded AS succeeded, items_skipped AS skipped, items_dead AS dead, items_moved AS moved, dead_tasks AS "deadTasks", leaves
    FROM job_stages WHERE job_id = ANY(${jobIds}::uuid[]) ORDER BY job_id, stage FOR UPDATE`);
  const cancelled = new Set(rows.filter((row) => row.status === "cancelled").map((row) => row.jobId));
  const byJob = Map.groupBy(rows, (row) => row.jobId);
  // Every job has a stage.
  for (const jobId of jobIds) if (!byJob.has(jobId)) cancelled.add(jobId);
  if (cancelled.size > 0) throw new JobsCancelled(cancelled);
  return byJob;
}

export function addDeltas(rows: readonly StageRow[], advance: JobAdvance): void {
  for (const row of rows) {
    const delta = advance.deltas.get(row.stage);
    if (!delta) continue;
    row.openTasks += delta.openTasks;
    row.itemsIn += delta.itemsIn;
    row.succeeded += delta.succeeded;
    row.skipped += delta.skipped;
    row.dead += delta.dead;
    row.moved += delta.moved;
    row.deadTasks += delta.deadTasks;
  }
}

export async function writeStages(transaction: Transaction, rows: readonly StageRow[]): Promise<void> {
  const column = <T>(pick: (row: StageRow) => T): T[] => rows.map(pick);
  await transaction.execute(sql`
    UPDATE job_stages SET status = given.status, open_tasks = given.open_tasks, open_feeders = given.open_feeders,
      items_in = given.items_in, items_succeeded = given.succeeded, items_skipped = given.skipped, items_dead = given.dead,
      items_moved = given.moved, dead_tasks = given.dead_tasks, leaves = given.leaves
    FROM unnest(
      ${column((row) => row.jobId)}::uuid[], ${column((row) => row.stage)}::smallint[], ${column((row) => row.status)}::text[],
      ${column((row) => row.openTasks)}::int[], ${column((row) => row.openFeeders)}::smallint[], ${column((row) => row.itemsIn)}::bigint[],
      ${column((row) => row.succeeded)}::bigint[], ${column((row) => row.skipped)}::bigint[], ${column((row) => row.dead)}::bigint[],
      ${column((row) => row.moved)}::bigint[], ${column((row) => row.deadTasks)}::int[], ${column((row) => row.leaves)}::bigint[]
    ) AS given(job_id, stage, status, open_tasks, open_feeders, items_in, succeeded, skipped, dead, moved, dead_tasks, leaves)
    WHERE job_stages.job_id = given.job_id AND job_stages.stage = given.stage`);
}
