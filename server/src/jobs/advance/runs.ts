import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import type { StagePlan } from "../plan.ts";
import type { JobAdvance } from "./deliveries.ts";
import type { StageRow } from "./stage-rows.ts";

/**
 * Does the stage take its tasks one after the other, each a run, with the job given back in between? Its tasks are then
 * inserted as waiting, and releaseRuns lets out one whenever none is under way.
 */
export function isSequential(stage: StagePlan): boolean {
  return stage.batch !== undefined && "fraction" in stage.batch && stage.batch.sequential === true;
}

/**
 * Makes the next run of each sequential stage ready, where none is ready or running. A run that is tried again is still
 * under way. Returns the lanes that got work. The job's stage rows are locked, so nobody else decides the same.
 */
export async function releaseRuns(transaction: Transaction, advance: JobAdvance, rows: readonly StageRow[]): Promise<Set<string>> {
  const lanes = new Set<string>();
  for (const stage of advance.plan.stages) {
    const row = rows[stage.no];
    if (!isSequential(stage) || row?.status !== "open" || row.openTasks === 0) continue;
    const released = await transaction.execute(sql`
      UPDATE tasks SET status = 'ready', run_at = now()
      WHERE id = (SELECT id FROM tasks WHERE job_id = ${advance.jobId}::uuid AND stage = ${stage.no} AND status = 'waiting' ORDER BY id LIMIT 1)
        AND NOT EXISTS (SELECT 1 FROM tasks WHERE job_id = ${advance.jobId}::uuid AND stage = ${stage.no} AND status IN ('ready', 'running'))`);
    if (released > 0) lanes.add(stage.lane);
  }
  return lanes;
}
