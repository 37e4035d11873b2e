import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";

// What may become of a source task that hold() has locked and that has listed a page.

/** It goes on; what was charged for earlier trouble is forgotten, since the page shows that the trouble has passed. */
export async function goOn(transaction: Transaction, taskId: string): Promise<void> {
  await transaction.execute(sql`
    UPDATE tasks SET attempts = 0, losses = 0, handbacks = 0, error = NULL
    WHERE id = ${taskId}::uuid AND (attempts > 0 OR losses > 0 OR handbacks > 0 OR error IS NOT NULL)`);
}

/** It is handed back and goes on, here or elsewhere, after so long: it keeps no worker's place while it waits. Costs nothing. */
export async function pause(transaction: Transaction, { taskId, delayMs }: { taskId: string; delayMs: number }): Promise<void> {
  await transaction.execute(sql`
    UPDATE tasks SET status = 'ready', worker_id = NULL, lease_until = NULL, attempts = 0, losses = 0, handbacks = 0, error = NULL,
      backing_off = true, run_at = now() + ${delayMs} * interval '1 millisecond'
    WHERE id = ${taskId}::uuid`);
}
