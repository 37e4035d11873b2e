import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { hold } from "./hold.ts";
import type { Lease } from "./lease.ts";

/**
 * A task that infrastructure has sent back so often is not sent back again, but ends as `lost`: with the delays below an
 * hour and a half of trouble. Without an end, a job with an object that its store always refuses would run for ever.
 */
export const MAX_HANDBACKS = 100;

const LONGEST_DELAY_MS = 60_000;

/**
 * Hands tasks back unfinished, burning no attempt: at a drain (`delayMs` 0), or when the database or the store was away.
 * The latter is counted, and the delay doubles each time up to a minute, so that the trouble is not run into again at
 * once. Returns the ids that were still held.
 */
export async function release(
  transaction: Transaction,
  options: { workerId: string; leases: readonly Lease[]; delayMs: number },
): Promise<Set<string>> {
  const held = await hold(transaction, options.workerId, options.leases);
  const { delayMs } = options;
  await transaction.execute(sql`
    UPDATE tasks SET status = 'ready', worker_id = NULL, lease_until = NULL, backing_off = ${delayMs > 0},
      handbacks = least(handbacks + ${delayMs > 0 ? 1 : 0}, ${MAX_HANDBACKS}),
      run_at = now() + least(${LONGEST_DELAY_MS}, ${delayMs}::float8 * power(2, least(handbacks, 16))) * interval '1 millisecond' * (0.5 + random())
    WHERE id = ANY(${[...held]}::uuid[])`);
  return held;
}
