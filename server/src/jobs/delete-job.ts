import { encodeId } from "@filemill/contract/ids.ts";
import { TERMINAL_JOB_STATUSES, type JobStatus } from "@filemill/contract/status.ts";
import type { Database, Transaction } from "../db/database.ts";
import { sql, type Statement } from "../db/sql.ts";
import { notFound, Problem } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { appendAudit } from "../record/audit.ts";
import type { Plan } from "./plan.ts";
import { stepHistory } from "./step-history.ts";

/**
 * Deletes a job that has ended: what was asked, its tasks and items. Its kept outputs are files of the tenant and stay, and
 * with them their lineage, until the last of them is gone (lifecycle/end-histories.ts); what only crossed a stage boundary goes. Gives the keys of objects that no row names any more, to be deleted
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
    const left = await keepHistory(transaction, jobId);
    const objectKeys = await deleteIntermediates(transaction, jobId, left);
    await deleteRows(transaction, jobId, left);
    await appendAudit(transaction, { tenantId, actor, action: "job.delete", object: id });
    await failpoint("job-delete-before-commit");
    return { objectKeys };
  });
  await failpoint("job-delete-after-commit");
  return deleted;
}

/** What is left of a job: nothing, or what tells where the files came from that it made. */
type Left = "nothing" | "history";

async function keepHistory(transaction: Transaction, jobId: string): Promise<Left> {
  const [job] = await transaction.query<{ plan: Plan }>(sql`
    SELECT plan FROM job_specs
    WHERE job_id = ${jobId} AND EXISTS (
      SELECT FROM outputs JOIN files ON files.id = outputs.file_id AND files.status <> 'deleted'
      WHERE outputs.job_id = ${jobId} AND outputs.kept)`);
  if (!job) return "nothing";
  await transaction.execute(sql`
    INSERT INTO deleted_jobs (job_id, tenant_id, pipeline_name, steps)
    SELECT id, tenant_id, pipeline_name, ${JSON.stringify(stepHistory(job.plan))}::jsonb FROM jobs WHERE id = ${jobId}`);
  return "history";
}

/** A file that a later step passed on as a kept output is the tenant's. */
async function deleteIntermediates(transaction: Transaction, jobId: string, left: Left): Promise<string[]> {
  const segments = await transaction.query<{ object_key: string }>(sql`
    DELETE FROM segments USING files
    WHERE files.id = segments.file_id AND ${isOver(jobId)} RETURNING segments.object_key`);
  if (left === "nothing") await transaction.execute(sql`DELETE FROM files WHERE ${isOver(jobId)}`);
  else {
    await transaction.execute(sql`DELETE FROM inline_objects USING files WHERE files.id = inline_objects.file_id AND ${isOver(jobId)}`);
    await transaction.execute(sql`
      UPDATE files SET status = 'deleted', deleted_at = now() WHERE files.status <> 'deleted' AND ${isOver(jobId)}`);
  }
  return segments.map((segment) => segment.object_key);
}

function isOver(jobId: string): Statement {
  return sql`files.job_id = ${jobId} AND files.origin = 'intermediate'
    AND NOT EXISTS (SELECT FROM outputs WHERE outputs.file_id = files.id AND outputs.kept)`;
}

async function deleteRows(transaction: Transaction, jobId: string, left: Left): Promise<void> {
  if (left === "nothing") await transaction.execute(sql`DELETE FROM outputs WHERE job_id = ${jobId}`);
  await transaction.execute(sql`DELETE FROM item_exceptions WHERE job_id = ${jobId}`);
  await transaction.execute(sql`DELETE FROM tree_nodes WHERE job_id = ${jobId}`);
  await transaction.execute(sql`DELETE FROM source_items WHERE job_id = ${jobId}`);
  await transaction.execute(sql`DELETE FROM stage_arrivals WHERE job_id = ${jobId}`);
  // A reduce that gave nothing is in nobody's history.
  await transaction.execute(sql`
    DELETE FROM task_inputs WHERE job_id = ${jobId}
      AND NOT (reduce AND ${left === "history"} AND EXISTS (SELECT FROM outputs WHERE outputs.task_id = task_inputs.task_id))`);
  await transaction.execute(sql`DELETE FROM tasks WHERE job_id = ${jobId}`);
  await transaction.execute(sql`DELETE FROM jobs WHERE id = ${jobId}`);
}
