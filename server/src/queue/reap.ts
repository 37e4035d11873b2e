import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { changedTasks } from "./claim.ts";
import { LEASE_MS, MAX_LOSSES } from "./lease.ts";
import type { ClaimedTask } from "./task.ts";

/** Losses after which a batch is split, so that an input which takes its whole worker down is found. */
const SPLIT_LOSSES = 2;

/**
 * Makes tasks ready again whose lease has expired, by the database's clock; the loss is counted apart from attempts.
 * Returns the lanes that got work. Any number of reapers may run at once: each takes rows that no other has locked.
 *
 * Nothing expires until one lease time after the server itself started, since nobody could renew while it was away; a
 * reaper that was cut off from a living database must wait as long by its own clock before it calls this.
 */
export async function reapExpired(transaction: Transaction): Promise<{ lanes: Set<string>; reaped: number }> {
  const rows = await transaction.query<{ lane: string }>(sql`
    UPDATE tasks SET status = 'ready', worker_id = NULL, lease_until = NULL, losses = losses + 1, run_at = now(),
      error = jsonb_build_object('class', 'lost', 'code', 'lost', 'step', NULL, 'message', 'The worker stopped renewing its lease.')
    WHERE id = ANY(ARRAY(
      SELECT id FROM tasks
      WHERE ${expired} AND losses + 1 < ${MAX_LOSSES} AND (items <= 1 OR losses + 1 < ${SPLIT_LOSSES})
      LIMIT 5000 FOR UPDATE SKIP LOCKED))
    RETURNING lane`);
  return { lanes: new Set(rows.map((row) => row.lane)), reaped: rows.length };
}

/**
 * Takes over expired tasks that may not simply run again: single ones that were lost too often and die, batches that are
 * split. The caller becomes their worker under a new epoch and settles them like any failed task.
 */
export async function adoptExpired(transaction: Transaction, workerId: string): Promise<ClaimedTask[]> {
  return await changedTasks(
    transaction,
    sql`
      UPDATE tasks SET epoch = epoch + 1, worker_id = ${workerId}::uuid, losses = CASE WHEN items > 1 THEN 1 ELSE losses + 1 END,
        lease_until = now() + ${LEASE_MS} * interval '1 millisecond'
      WHERE id = ANY(ARRAY(
        SELECT id FROM tasks
        WHERE ${expired} AND (losses + 1 >= ${MAX_LOSSES} OR (items > 1 AND losses + 1 >= ${SPLIT_LOSSES}))
        LIMIT 200 FOR UPDATE SKIP LOCKED))`,
  );
}

/** Lets tasks whose backoff is over into the ready index. Returns their lanes. */
export async function endBackoffs(transaction: Transaction): Promise<Set<string>> {
  const rows = await transaction.query<{ lane: string }>(sql`
    UPDATE tasks SET backing_off = false, run_at = now()
    WHERE id = ANY(ARRAY(
      SELECT id FROM tasks WHERE status = 'ready' AND backing_off AND run_at <= now() ORDER BY run_at LIMIT 5000 FOR UPDATE SKIP LOCKED))
    RETURNING lane`);
  return new Set(rows.map((row) => row.lane));
}

const expired = sql`status = 'running' AND lease_until < now() AND pg_postmaster_start_time() < now() - ${LEASE_MS} * interval '1 millisecond'`;
