import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/** Whether any backoff or lease is over: one statement, so that workers with nothing to do cost the database little. */
export async function isRecoveryDue(transaction: Transaction): Promise<boolean> {
  const [row] = await transaction.query<{ due: boolean }>(sql`
    SELECT EXISTS (SELECT FROM tasks WHERE status = 'ready' AND backing_off AND run_at <= now())
      OR EXISTS (SELECT FROM tasks WHERE status = 'running' AND lease_until < now()) AS due`);
  return row?.due === true;
}
