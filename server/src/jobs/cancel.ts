import { encodeId } from "@filemill/contract/ids.ts";
import type { JobStatus } from "@filemill/contract/status.ts";
import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { notFound, Problem } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { appendAudit } from "../record/audit.ts";
import { appendEvents } from "../record/events.ts";

/** Channel on which workers hear that tasks of theirs are gone; they also look for themselves every second. */
export const CANCEL_CHANNEL = "filemill_cancel";

/**
 * Cancels a job: no result of it becomes true from the moment this returns, and running work is stopped within 2 s.
 * Cancelling a cancelled job changes nothing. Throws Problem not_found, or conflict where the job has ended otherwise.
 *
 * Two transactions, because completions lock tasks before stages. The first makes the job cancelled; any completion that
 * commits later finds its stage cancelled and rolls back. The second sweeps the tasks that are visible then: all, since
 * nothing can add any. Should we die between the two, whoever claims such a task sweeps it (worker/claim-tasks.ts).
 */
export async function cancelJob(database: Database, job: { tenantId: string; jobId: string; actor: string }): Promise<void> {
  const { tenantId, jobId } = job;
  await database.asTenant(tenantId, async (transaction) => {
    await markCancelled(transaction, job);
    await failpoint("cancel-before-commit");
  });
  await failpoint("cancel-between-job-and-tasks");
  await database.asTenant(tenantId, async (transaction) => {
    await sweepTasks(transaction, [jobId]);
    await transaction.query(sql`SELECT pg_notify(${CANCEL_CHANNEL}, ${jobId})`);
  });
  await failpoint("cancel-after-tasks");
}

async function markCancelled(transaction: Transaction, { tenantId, jobId, actor }: { tenantId: string; jobId: string; actor: string }) {
  await transaction.query(sql`SELECT stage FROM job_stages WHERE job_id = ${jobId}::uuid ORDER BY stage FOR UPDATE`);
  const [job] = await transaction.query<{ status: JobStatus }>(sql`SELECT status FROM jobs WHERE id = ${jobId}::uuid FOR UPDATE`);
  const id = encodeId("job", jobId);
  if (!job) throw notFound("job", id);
  if (job.status === "cancelled") return;
  if (job.status === "completed" || job.status === "failed") {
    throw new Problem("conflict", `The job "${id}" has ended as ${job.status}; only a queued or running job can be cancelled.`);
  }
  await transaction.execute(sql`UPDATE job_stages SET status = 'cancelled' WHERE job_id = ${jobId}::uuid AND status = 'open'`);
  await transaction.execute(sql`UPDATE jobs SET status = 'cancelled', finished_at = now() WHERE id = ${jobId}::uuid`);
  await appendEvents(transaction, [{ tenantId, jobId, type: "job.cancelled", data: {} }]);
  await appendAudit(transaction, { tenantId, actor, action: "job.cancel", object: id, detail: {} });
}

/** Ends what is left of cancelled jobs; in id order, as every statement that locks many tasks. */
export async function sweepTasks(transaction: Transaction, jobIds: readonly string[]): Promise<void> {
  await transaction.execute(sql`
    UPDATE tasks SET status = 'cancelled', finished_at = now(), lease_until = NULL
    WHERE id = ANY(ARRAY(
      SELECT id FROM tasks WHERE job_id = ANY(${jobIds}::uuid[]) AND status IN ('waiting', 'ready', 'running') ORDER BY id FOR UPDATE))`);
}
