import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { Lease } from "./lease.ts";

/** How many of its items a running batch has done. */
export interface TaskProgress extends Lease {
  readonly itemsDone: number;
}

/**
 * Records how far batches have come, of those that this worker still holds under exactly these epochs: what a zombie tells finds
 * no row. Only forwards, so that another attempt does not turn the job's progress back. A row that is locked just now is left
 * for the next time.
 */
export async function recordProgress(transaction: Transaction, workerId: string, progress: readonly TaskProgress[]): Promise<void> {
  await transaction.execute(sql`
    WITH given AS (
      SELECT * FROM unnest(${progress.map((one) => one.taskId)}::uuid[], ${progress.map((one) => one.epoch)}::int[],
        ${progress.map((one) => one.itemsDone)}::int[]) AS given(id, epoch, items_done)
    )
    UPDATE tasks SET items_done = least(given.items_done, tasks.items)
    FROM given
    WHERE tasks.id = given.id AND tasks.id = ANY(ARRAY(
      SELECT held.id FROM given CROSS JOIN LATERAL (
        SELECT id FROM tasks
        WHERE id = given.id AND epoch = given.epoch AND status = 'running' AND worker_id = ${workerId}::uuid AND items_done < given.items_done
        FOR UPDATE SKIP LOCKED) held))`);
}
