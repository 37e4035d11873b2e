import { LONG_STATEMENT_MS, type Database, type Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";

const BATCH = 100;
/** A history that was found to be of use is looked at again after so long. */
const LOOK_AGAIN_HOURS = 24;

/**
 * Deletes what deleted jobs left to tell where their files came from, once none of those files is left: rows of outputs, of
 * reduces and of files that only crossed a stage boundary. Gives the number of jobs. Any number of rounds may run at once; each
 * looks at a history once a day, so that a round costs what is due and not what is kept.
 */
export async function endHistories(database: Database, signal?: AbortSignal): Promise<number> {
  let ended = 0;
  while (!signal?.aborted) {
    const page = await database.asSystem(endPage, { statementMs: LONG_STATEMENT_MS });
    ended += page.ended;
    if (page.seen < BATCH) return ended;
  }
  return ended;
}

async function endPage(transaction: Transaction): Promise<{ seen: number; ended: number }> {
  const due = await transaction.query<{ jobId: string; isOver: boolean }>(sql`
    SELECT job_id AS "jobId", NOT EXISTS (
      SELECT FROM outputs JOIN files ON files.id = outputs.file_id AND files.status <> 'deleted'
      WHERE outputs.job_id = deleted_jobs.job_id AND outputs.kept) AS "isOver"
    FROM deleted_jobs WHERE looked_at < now() - ${LOOK_AGAIN_HOURS} * interval '1 hour'
    ORDER BY looked_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED`);
  const over = due.filter((job) => job.isOver).map((job) => job.jobId);
  const kept = due.filter((job) => !job.isOver).map((job) => job.jobId);
  if (kept.length > 0) {
    await transaction.execute(sql`UPDATE deleted_jobs SET looked_at = now() WHERE job_id = ANY(${kept}::uuid[])`);
  }
  if (over.length > 0) await forget(transaction, over);
  return { seen: due.length, ended: over.length };
}

async function forget(transaction: Transaction, jobIds: readonly string[]): Promise<void> {
  await transaction.execute(sql`DELETE FROM outputs WHERE job_id = ANY(${jobIds}::uuid[])`);
  await transaction.execute(sql`DELETE FROM task_inputs WHERE job_id = ANY(${jobIds}::uuid[])`);
  await transaction.execute(sql`
    DELETE FROM files WHERE job_id = ANY(${jobIds}::uuid[]) AND origin = 'intermediate' AND status = 'deleted'`);
  await transaction.execute(sql`DELETE FROM deleted_jobs WHERE job_id = ANY(${jobIds}::uuid[])`);
}
