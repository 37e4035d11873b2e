import { encodeId } from "@filemill/contract/ids.ts";
import { TERMINAL_JOB_STATUSES, type JobStatus } from "@filemill/contract/status.ts";
import type { Database, Transaction } from "../db/database.ts";
import { sql, type Statement } from "../db/sql.ts";
import { notFound, Problem } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { appendAudit } from "../record/audit.ts";

/**
 * Deletes a job that has ended: what was asked, its tasks, items and lineage. Its kept outputs are files of the tenant and
 * stay; what only crossed a stage boundary goes. Gives the keys of objects that no row names any more, to be deleted
 * after this; those that are left are garbage collection's. Throws Problem not_found, or conflict while the job is open.
 */
export async function deleteJob(
  database: Database,
  job: { readonly tenantId: string; readonly jobId: string; readonly actor: string },
): Promise<{ objectKeys: string[] }> {
  const { tenantId, jobId, actor } = job;
  const id = encodeId("job", jobId);
  const deleted = await database.asTenant(tenantId, async (transaction) => {
    // In the order of the engine's locks: tasks, stages, then the job. A retry holds its dead tasks first.
    await transaction.query(sql`SELECT FROM tasks WHERE job_id = ${jobId} AND tenant_id = ${tenantId} ORDER BY id FOR UPDATE`);
    await transaction.query(
      sql`SELECT stage FROM job_stages WHERE job_id = ${jobId} AND tenant_id = ${tenantId} ORDER BY stage FOR UPDATE`,
    );
    const [row] = await transaction.query<{ status: JobStatus }>(sql`
      SELECT status FROM jobs WHERE id = ${jobId} AND tenant_id = ${tenantId} FOR UPDATE`);
    if (!row) throw notFound("job", id);
    if (!TERMINAL_JOB_STATUSES.includes(row.status)) {
      throw new Problem("conflict", `The job "${id}" is ${row.status}; cancel it first, or wait until it has ended.`);
    }
    const objectKeys = await deleteIntermediates(transaction, jobId);
    await deleteRows(transaction, jobId);
    await appendAudit(transaction, { tenantId, actor, action: "job.delete", object: id });
    await failpoint("job-delete-before-commit");
    return { objectKeys };
  });
  await failpoint("job-delete-after-commit");
  return deleted;
}

/** A file that a later step passed on as a kept output is the tenant's. */
async function deleteIntermediates(transaction: Transaction, jobId: string): Promise<string[]> {
  const segments = await transaction.query<{ object_key: string }>(sql`
    DELETE FROM segments USING files
    WHERE files.id = segments.file_id AND ${isOver(jobId)} RETURNING segments.object_key`);
  await transaction.execute(sql`DELETE FROM files WHERE ${isOver(jobId)}`);
  return segments.map((segment) => segment.object_key);
}

function isOver(jobId: string): Statement {
  return sql`files.job_id = ${jobId} AND files.origin = 'intermediate'
    AND NOT EXISTS (SELECT FROM outputs WHERE outputs.file_id = files.id AND outputs.kept)`;
}

async function deleteRows(transaction: Transaction, jobId: string): Promise<void> {
  await transaction.execute(sql`DELETE FROM outputs WHERE job_id = ${jobId}`);
  await transaction.execute(sql`DELETE FROM item_exceptions WHERE job_id = ${jobId}`);
  await transaction.execute(sql`DELETE FROM tree_nodes WHERE job_id = ${jobId}`);
  await transaction.execute(sql`DELETE FROM stage_arrivals WHERE job_id = ${jobId}`);
  await transaction.execute(sql`DELETE FROM task_inputs WHERE job_id = ${jobId}`);
  await transaction.execute(sql`DELETE FROM tasks WHERE job_id = ${jobId}`);
  await transaction.execute(sql`DELETE FROM jobs WHERE id = ${jobId}`);
}
