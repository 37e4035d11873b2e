import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { hold } from "./hold.ts";
import type { Lease } from "./lease.ts";

/**
 * Hands tasks back unfinished, burning nothing: at a drain (`delayMs` 0) or when the database or the store was away
 * (a short delay, so that the trouble is not run into again at once). Returns the ids that were still held.
 */
export async function release(
  transaction: Transaction,
  options: { workerId: string; leases: readonly Lease[]; delayMs: number },
): Promise<Set<string>> {
  const held = await hold(transaction, options.workerId, options.leases);
  await transaction.execute(sql`
    UPDATE tasks SET status = 'ready', worker_id = NULL, lease_until = NULL, backing_off = ${options.delayMs > 0},
      run_at = now() + ${options.delayMs} * interval '1 millisecond' * (0.5 + random())
    WHERE id = ANY(${[...held]}::uuid[])`);
  return held;
}
