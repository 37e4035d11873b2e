import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { LEASE_MS, type Lease } from "./lease.ts";

/**
 * Renews every lease that a worker holds, in one statement. `lost` are those that are no longer its own: cancelled, reaped
 * or taken by another; they must be stopped at once. A row that is locked just now (its own completion
 * is committing, say) is left for the next round rather than waited for: one stuck row must not cost all the leases.
 */
export async function renew(transaction: Transaction, workerId: string, leases: readonly Lease[]): Promise<Renewal> {
  const rows = await transaction.query<{ id: string }>(sql`
    UPDATE tasks SET lease_until = now() + ${LEASE_MS} * interval '1 millisecond'
    WHERE id = ANY(ARRAY(
      SELECT held.id FROM unnest(${taskIds(leases)}::uuid[], ${epochs(leases)}::int[]) AS lease(id, epoch)
      CROSS JOIN LATERAL (
        SELECT id FROM tasks
        WHERE id = lease.id AND epoch = lease.epoch AND status = 'running' AND worker_id = ${workerId}::uuid FOR UPDATE SKIP LOCKED
      ) held))
    RETURNING id`);
  const renewed = new Set(rows.map((row) => row.id));
  const missing = leases.filter((lease) => !renewed.has(lease.taskId));
  return { renewed, lost: missing.length === 0 ? new Set() : await lostLeases(transaction, workerId, missing) };
}

/** Task ids. One that is in neither set was locked and is still held. */
export interface Renewal {
  readonly renewed: ReadonlySet<string>;
  readonly lost: ReadonlySet<string>;
}

/** The ids of those tasks that this worker holds no longer; writes nothing. */
export async function lostLeases(transaction: Transaction, workerId: string, leases: readonly Lease[]): Promise<Set<string>> {
  const rows = await transaction.query<{ id: string }>(sql`
    SELECT held.id FROM unnest(${taskIds(leases)}::uuid[], ${epochs(leases)}::int[]) AS lease(id, epoch)
    CROSS JOIN LATERAL (
      SELECT id FROM tasks WHERE id = lease.id AND epoch = lease.epoch AND status = 'running' AND worker_id = ${workerId}::uuid) held`);
  const held = new Set(rows.map((row) => row.id));
  return new Set(leases.map((lease) => lease.taskId).filter((id) => !held.has(id)));
}

function taskIds(leases: readonly Lease[]): string[] {
  return leases.map((lease) => lease.taskId);
}

function epochs(leases: readonly Lease[]): number[] {
  return leases.map((lease) => lease.epoch);
}
