import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { Lease } from "./lease.ts";

/**
 * Hands back tasks that this worker has claimed without knowing: the claim committed, and its answer was lost with the
 * connection. `known` is what it does run. To be called before the next claim; burns nothing. Returns the lanes.
 */
export async function releaseStrays(transaction: Transaction, workerId: string, known: readonly Lease[]): Promise<Set<string>> {
  const rows = await transaction.query<{ lane: string }>(sql`
    UPDATE tasks SET status = 'ready', worker_id = NULL, lease_until = NULL, run_at = now()
    WHERE id = ANY(ARRAY(
      SELECT id FROM tasks
      WHERE status = 'running' AND worker_id = ${workerId}::uuid
        AND NOT EXISTS (
          SELECT 1 FROM unnest(${known.map((lease) => lease.taskId)}::uuid[], ${known.map((lease) => lease.epoch)}::int[]) AS lease(id, epoch)
          WHERE lease.id = tasks.id AND lease.epoch = tasks.epoch)
      ORDER BY id FOR UPDATE SKIP LOCKED))
    RETURNING lane`);
  return new Set(rows.map((row) => row.lane));
}
