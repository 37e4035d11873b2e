import type { Database } from "../db/database.ts";
import { sql, type Statement } from "../db/sql.ts";

/** Rows that were for a time only. Each batch is a transaction of its own; what another collector has locked is left to it. */
export interface ExpiredRows {
  readonly idempotencyKeys: number;
  readonly events: number;
  readonly workers: number;
  readonly tombstones: number;
  readonly cachedResults: number;
  /** Room that processes had reserved which died. */
  readonly reservations: number;
  readonly uploadLinks: number;
}

const BATCH = 5_000;
const EVENTS_KEEP_DAYS = 7;
/** Longer than any completion can wait for the database and still be let through by its fence. */
const TOMBSTONES_KEEP_DAYS = 7;
/** After their end, so that who made one can look for a while what came of it. */
const UPLOAD_LINKS_KEEP_DAYS = 30;

export async function expireRows(database: Database, signal?: AbortSignal): Promise<ExpiredRows> {
  const whole = async (statement: Statement) => {
    for (let total = 0; ;) {
      const count = signal?.aborted ? 0 : await database.asSystem((transaction) => transaction.execute(statement));
      total += count;
      if (count < BATCH) return total;
    }
  };
  return {
    idempotencyKeys: await whole(sql`
      DELETE FROM idempotency_keys USING (
        SELECT tenant_id, key FROM idempotency_keys
        WHERE created_at < now() - interval '24 hours' ORDER BY created_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED) AS old
      WHERE idempotency_keys.tenant_id = old.tenant_id AND idempotency_keys.key = old.key`),
    events: await expireEvents(database, signal),
    // An `up` one that nobody has seen for a day died with all others, so that nobody could mark it as lost.
    workers: await whole(sql`
      DELETE FROM workers WHERE id = ANY(ARRAY(
        SELECT id FROM workers WHERE seen_at < now() - interval '1 day' LIMIT ${BATCH} FOR UPDATE SKIP LOCKED))`),
    reservations: await whole(sql`
      DELETE FROM quota_reservations WHERE id = ANY(ARRAY(
        SELECT id FROM quota_reservations WHERE lease_until < now() LIMIT ${BATCH} FOR UPDATE SKIP LOCKED))`),
    uploadLinks: await whole(sql`
      DELETE FROM upload_links WHERE id = ANY(ARRAY(
        SELECT id FROM upload_links
        WHERE expires_at < now() - ${UPLOAD_LINKS_KEEP_DAYS} * interval '1 day' ORDER BY expires_at LIMIT ${BATCH}))`),
    tombstones: await whole(sql`
      DELETE FROM files WHERE id = ANY(ARRAY(
        SELECT id FROM files
        WHERE origin = 'intermediate' AND status = 'deleted' AND job_id IS NULL
          AND deleted_at < now() - ${TOMBSTONES_KEEP_DAYS} * interval '1 day'
        LIMIT ${BATCH} FOR UPDATE SKIP LOCKED))`),
    cachedResults: await whole(sql`
      DELETE FROM cached_results USING (
        SELECT tenant_id, key FROM cached_results WHERE expires_at < now() ORDER BY expires_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED) AS old
      WHERE cached_results.tenant_id = old.tenant_id AND cached_results.key = old.key`),
  };
}

/**
 * Events go in the order of their ids, which is nearly that of time, so that no index on time is needed: pages from the
 * oldest id on, up to the first page that is not old throughout. Those of a job that has not ended stay, however old: a
 * client that comes back replays its job from where it was.
 */
async function expireEvents(database: Database, signal: AbortSignal | undefined): Promise<number> {
  let total = 0;
  let after = 0;
  while (!signal?.aborted) {
    const [page] = await database.asSystem((transaction) =>
      transaction.query<{ last: number | null; old: number; seen: number; deleted: number }>(sql`
        WITH page AS (SELECT id, job_id, created_at < now() - ${EVENTS_KEEP_DAYS} * interval '1 day' AS old
            FROM events WHERE id > ${after} ORDER BY id LIMIT ${BATCH}),
          gone AS (DELETE FROM events WHERE id = ANY(ARRAY(
            SELECT id FROM page WHERE old
              AND NOT EXISTS (SELECT FROM jobs WHERE jobs.id = page.job_id AND jobs.status IN ('queued', 'running')))) RETURNING id)
        SELECT max(id) AS last, count(*) FILTER (WHERE old) AS old, count(*) AS seen, (SELECT count(*) FROM gone) AS deleted FROM page`),
    );
    total += page?.deleted ?? 0;
    if (!page || page.last === null || page.old < page.seen || page.seen < BATCH) return total;
    after = page.last;
  }
  return total;
}
