import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { failpoint } from "../failpoint.ts";
import { endFiles, type EndedObject } from "../record/end-files.ts";

/** A retry of a failed job starts from them, so they outlive the failure. */
export const FAILED_JOBS_KEEP_DAYS = 7;
const BATCH = 500;

/**
 * Deletes files that only crossed a stage boundary of a job that has ended: at once where it can't be retried (completed,
 * cancelled), after FAILED_JOBS_KEEP_DAYS where it failed. Rows first, then objects: a death in between leaves objects
 * without a row, which the search for orphans finds. What a later step handed on as its own output stays. Gives the
 * number of files.
 */
export async function endIntermediates(options: {
  readonly database: Database;
  /** Deletes objects that no row names any more; never rejects. */
  readonly discard: (objects: readonly EndedObject[]) => Promise<unknown>;
  readonly signal?: AbortSignal | undefined;
}): Promise<number> {
  let files = 0;
  let after = "00000000-0000-0000-0000-000000000000";
  while (!options.signal?.aborted) {
    const page = await options.database.asSystem((transaction) => endPage(transaction, after));
    await failpoint("garbage-after-rows-before-objects");
    await options.discard(page.objects);
    files += page.files;
    if (page.last === null) return files;
    after = page.last;
  }
  return files;
}

/**
 * One page of the index of intermediates, whatever becomes of it, so that the files of open jobs are passed over once a
 * round. The jobs are locked, because a retry may reopen one at this moment; one that is locked already waits for the next
 * round.
 */
async function endPage(transaction: Transaction, after: string): Promise<{ files: number; objects: EndedObject[]; last: string | null }> {
  const page = await transaction.query<{ id: string; job_id: string | null }>(sql`
    SELECT id, job_id FROM files WHERE origin = 'intermediate' AND status = 'stored' AND id > ${after}::uuid ORDER BY id LIMIT ${BATCH}`);
  const last = page.length < BATCH ? null : (page.at(-1)?.id ?? null);
  const jobs = await transaction.query<{ id: string }>(sql`
    SELECT id FROM jobs WHERE id = ANY(${[...new Set(page.map((file) => file.job_id))]}::uuid[])
      AND (status IN ('completed', 'cancelled')
        OR status = 'failed' AND finished_at < now() - ${FAILED_JOBS_KEEP_DAYS} * interval '1 day')
    ORDER BY id FOR UPDATE SKIP LOCKED`);
  const ended = new Set(jobs.map((job) => job.id));
  const ids = page.filter((file) => file.job_id !== null && ended.has(file.job_id)).map((file) => file.id);
  if (ids.length === 0) return { files: 0, objects: [], last };
  const gone = await transaction.query<{ id: string }>(sql`
    SELECT id FROM files
    WHERE id = ANY(${ids}::uuid[]) AND status = 'stored' AND NOT EXISTS (SELECT FROM outputs WHERE file_id = files.id AND kept)
    ORDER BY id FOR UPDATE`);
  const objects = await endFiles(
    transaction,
    gone.map((file) => file.id),
  );
  return { files: gone.length, objects, last };
}
