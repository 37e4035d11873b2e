import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { Lease } from "./lease.ts";

/**
 * The fence. Locks those of the tasks that are still this worker's under exactly this epoch, in id order, until the end
 * of the transaction, and returns their ids. Every write on behalf of a task comes after this in the same transaction
 * and only for the ids returned: what a zombie brings finds nothing to hold on to.
 *
 * The epoch is compared on the locked version of the row: the same worker may hold the task again under a later one.
 */
export async function hold(transaction: Transaction, workerId: string, leases: readonly Lease[]): Promise<Set<string>> {
  const rows = await transaction.query<{ id: string; epoch: number }>(sql`
    SELECT id, epoch FROM tasks
    WHERE id = ANY(${leases.map((lease) => lease.taskId)}::uuid[]) AND status = 'running' AND worker_id = ${workerId}::uuid
    ORDER BY id FOR UPDATE`);
  const epochs = new Map(rows.map((row) => [row.id, row.epoch]));
  return new Set(leases.filter((lease) => epochs.get(lease.taskId) === lease.epoch).map((lease) => lease.taskId));
}
