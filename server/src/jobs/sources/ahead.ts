import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { MAX_PAGE } from "./source.ts";

/**
 * A source lists no further while the job has so many items that have not ended, or so many tasks: a source of millions
 * would otherwise fill the tables long before anybody gets to work on them.
 */
const MAX_OPEN_ITEMS = 10_000;
const MAX_OPEN_TASKS = 2_000;

/** The most items that an open source is ahead of any stage which takes them one by one (jobs/job-progress.ts). */
export const MOST_AHEAD = MAX_OPEN_ITEMS + MAX_PAGE;

/** Is there enough to do, so that the source waits? */
export async function isFarAhead(transaction: Transaction, jobId: string): Promise<boolean> {
  const [row] = await transaction.query<{ items: number; tasks: number }>(sql`
    SELECT coalesce(sum(items_in - items_succeeded - items_skipped - items_dead - items_moved) FILTER (WHERE kind = 'map'), 0)::bigint AS items,
      coalesce(sum(open_tasks), 0)::bigint AS tasks
    FROM job_stages WHERE job_id = ${jobId}::uuid`);
  return row !== undefined && (row.items > MAX_OPEN_ITEMS || row.tasks > MAX_OPEN_TASKS);
}
