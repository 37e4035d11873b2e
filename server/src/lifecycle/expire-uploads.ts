import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { failpoint } from "../failpoint.ts";

export interface ExpiredUploads {
  readonly uploads: number;
  /** Rows of uploads that had ended long ago. */
  readonly rows: number;
}

const BATCH = 500;
/** So long an upload that has ended is answered with 410 Gone, or with the file that it became. */
const ENDED_KEEP_DAYS = 7;

/**
 * Ends resumable uploads whose time is over, and partial ones that nobody joined; what came of them goes. Those that a
 * request holds wait. Rows first, then objects: a death in between leaves objects without a row, which the search for
 * orphans finds. Any number of rounds may run at once.
 */
export async function expireUploads(options: {
  readonly database: Database;
  /** Deletes objects; never rejects. */
  readonly discard: (objects: readonly { store: string; key: string }[]) => Promise<unknown>;
  readonly signal?: AbortSignal | undefined;
}): Promise<ExpiredUploads> {
  const { database, discard, signal } = options;
  const total = { uploads: 0, rows: 0 };
  for (let more = true; more && !signal?.aborted;) {
    const page = await database.asSystem(expirePage);
    await failpoint("expire-uploads-after-commit");
    await discard(page.objects);
    total.uploads += page.uploads;
    more = page.uploads === BATCH;
  }
  for (let more = true; more && !signal?.aborted;) {
    const rows = await database.asSystem(forgetPage);
    total.rows += rows;
    more = rows === BATCH;
  }
  return total;
}

async function expirePage(transaction: Transaction): Promise<{ uploads: number; objects: { store: string; key: string }[] }> {
  const ended = await transaction.query<{ id: string }>(sql`
    UPDATE uploads SET status = 'expired', finished_at = now(), hash_state = NULL, lock_holder = NULL, lock_until = NULL, lock_wanted_at = NULL
    WHERE id = ANY(ARRAY(
      SELECT id FROM uploads
      WHERE (status = 'open' OR status = 'completed' AND kind = 'partial') AND expires_at <= now()
        AND (lock_holder IS NULL OR lock_until <= now())
      ORDER BY expires_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED))
    RETURNING id`);
  if (ended.length === 0) return { uploads: 0, objects: [] };
  await transaction.execute(sql`DELETE FROM quota_reservations WHERE id = ANY(${ended.map(({ id }) => id)}::uuid[])`);
  const objects = await transaction.query<{ store: string; key: string }>(sql`
    WITH gone AS (
      DELETE FROM upload_segments WHERE upload_id = ANY(${ended.map(({ id }) => id)}::uuid[]) RETURNING tenant_id, object_id, store, object_key),
      keys AS (DELETE FROM object_keys USING gone WHERE object_keys.object_id = gone.object_id AND object_keys.tenant_id = gone.tenant_id)
    SELECT store, object_key AS key FROM gone`);
  return { uploads: ended.length, objects };
}

async function forgetPage(transaction: Transaction): Promise<number> {
  return transaction.execute(sql`
    DELETE FROM uploads WHERE id = ANY(ARRAY(
      SELECT id FROM uploads WHERE finished_at < now() - ${ENDED_KEEP_DAYS} * interval '1 day'
      LIMIT ${BATCH} FOR UPDATE SKIP LOCKED))`);
}
