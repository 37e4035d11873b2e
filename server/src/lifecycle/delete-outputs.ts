import { encodeId } from "@filemill/contract/ids.ts";
import { TERMINAL_JOB_STATUSES, type JobStatus } from "@filemill/contract/status.ts";
import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { notFound, Problem } from "../errors.ts";
import { neededFiles } from "../jobs/needed-files.ts";
import { appendAudits } from "../record/audit.ts";
import { endFiles, type EndedObject } from "../record/end-files.ts";
import { appendEvents } from "../record/events.ts";
import type { ContentStore } from "../storage/content-store.ts";

/** A transaction: its locks and its events stay few. */
const BATCH = 500;

export interface JobToEmpty {
  readonly tenantId: string;
  readonly jobId: string;
  readonly actor: string;
}

/**
 * Deletes the files that a job has made, as deleting each would, and gives how many. What it only passed on was somebody's
 * before and stays. Broken off, it can be asked again. Throws Problem `not_found`; `conflict` while the job is open, or where
 * a file is held or an input of another open job: nothing is deleted then that comes after it.
 */
export async function deleteOutputs(services: { database: Database; contents: ContentStore }, job: JobToEmpty): Promise<number> {
  await requireEnded(services.database, job);
  let files = 0;
  for (;;) {
    const ended = await services.database.asTenant(job.tenantId, (transaction) => endPage(transaction, job));
    await services.contents.discard({ segments: ended.objects });
    files += ended.files;
    if (ended.files < BATCH) return files;
  }
}

async function requireEnded(database: Database, { tenantId, jobId }: JobToEmpty): Promise<void> {
  const id = encodeId("job", jobId);
  await database.asTenant(tenantId, async (transaction) => {
    const [job] = await transaction.query<{ status: JobStatus }>(
      sql`SELECT status FROM jobs WHERE id = ${jobId} AND tenant_id = ${tenantId}`,
    );
    if (!job) throw notFound("job", id);
    if (!TERMINAL_JOB_STATUSES.includes(job.status)) {
      throw new Problem("conflict", `The job "${id}" is ${job.status}; cancel it first, or wait until it has ended.`);
    }
    const [held] = await transaction.query<{ id: string }>(
      sql`SELECT id FROM files WHERE job_id = ${jobId} AND origin = 'output' AND held_at IS NOT NULL LIMIT 1`,
    );
    if (!held) return;
    throw new Problem("conflict", `The output "${encodeId("file", held.id)}" is under a legal hold. An admin has to lift that first.`);
  });
}

/** Locked to the end of the transaction, so that no submission can take one of them as an input meanwhile. */
async function endPage(
  transaction: Transaction,
  { tenantId, jobId, actor }: JobToEmpty,
): Promise<{ files: number; objects: EndedObject[] }> {
  const locked = await transaction.query<{ id: string }>(sql`
    SELECT id FROM files
    WHERE job_id = ${jobId} AND origin = 'output' AND status IN ('stored', 'quarantined') AND held_at IS NULL
    ORDER BY id LIMIT ${BATCH} FOR UPDATE`);
  const ids = locked.map(({ id }) => id);
  const [needed] = await neededFiles(transaction, tenantId, ids);
  if (needed !== undefined) {
    throw new Problem(
      "conflict",
      `The output "${encodeId("file", needed)}" is an input of a job that has not ended. Wait for that, or cancel it.`,
    );
  }
  const objects = await endFiles(transaction, ids);
  const told = ids.map((id) => encodeId("file", id));
  await appendEvents(
    transaction,
    told.map((id) => ({ tenantId, type: "file.deleted" as const, data: { file_id: id } })),
  );
  await appendAudits(
    transaction,
    told.map((id) => ({ tenantId, actor, action: "file.delete", object: id })),
  );
  return { files: ids.length, objects };
}
