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

/** Tasks that one transaction sweeps. All 200,000 of a job in one took 12 s, and no worker learnt of anything before its end. */
const BITE = 5_000;

/**
 * Cancels a job: no result of it becomes true from the moment this returns, and running work is stopped within 2 s.
 * Cancelling a cancelled job changes nothing. Throws Problem not_found, or conflict where the job has ended otherwise.
 *
 * Several transactions, because completions lock tasks before stages. The first makes the job cancelled; any completion
 * that commits later finds its stage cancelled and rolls back. The second sweeps what runs, and of what waits as much as
 * does not keep the caller waiting. `rest` sweeps on; nothing can add tasks any more. Should we die before its end, whoever
 * claims a task of the job, or can't commit one, sweeps on (worker/run-task.ts, worker/committer.ts).
 */
export async function cancelJob(
  database: Database,
  job: { tenantId: string; jobId: string; actor: string },
): Promise<{ rest: Promise<void> }> {
  const { tenantId, jobId } = job;
  await database.asTenant(tenantId, async (transaction) => {
    await markCancelled(transaction, job);
    await failpoint("cancel-before-commit");
  });
  await failpoint("cancel-between-job-and-tasks");
  await database.asTenant(tenantId, (transaction) => sweepTasks(transaction, [jobId]));
  await failpoint("cancel-after-tasks");
  const rest = sweepRest((work) => database.asTenant(tenantId, work), jobId);
  // Callers may leave it alone.
  rest.catch(() => undefined);
  return { rest };
}

/**
 * Sweeps on in jobs whose cancellation began so many milliseconds ago and never ended; gives how many. Work is in bites as
 * there, so that a round may die anywhere. Rejects a database error.
 */
export async function finishSweeps(database: Database, ageMs: number): Promise<number> {
  const jobs = await database.asSystem((transaction) =>
    transaction.query<{ id: string }>(sql`
      SELECT id FROM jobs WHERE sweeping AND finished_at < now() - ${ageMs} * interval '1 millisecond' ORDER BY finished_at LIMIT ${BITE}`),
  );
  for (const { id } of jobs) await sweepRest((work) => database.asSystem(work), id);
  return jobs.length;
}

/**
 * Ends what runs of cancelled jobs, tells the workers, and ends at most BITE of their other tasks. Called by whoever meets
 * a task of a cancelled job, so that as long as one can be claimed, all are swept in the end. Gives whether more may be left.
 */
export async function sweepTasks(transaction: Transaction, jobIds: readonly string[]): Promise<boolean> {
  await sweepRunning(transaction, jobIds);
  let left = BITE;
  for (const jobId of jobIds) left -= (await sweepBite(transaction, { jobId, limit: left })).length;
  return left === 0;
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
  await transaction.execute(sql`UPDATE jobs SET status = 'cancelled', finished_at = now(), sweeping = true WHERE id = ${jobId}::uuid`);
  await appendEvents(transaction, [{ tenantId, jobId, type: "job.cancelled", data: {} }]);
  await appendAudit(transaction, { tenantId, actor, action: "job.cancel", object: id, detail: {} });
}

type Transact = <T>(work: (transaction: Transaction) => Promise<T>) => Promise<T>;

async function sweepRest(transact: Transact, jobId: string): Promise<void> {
  for (let above: Place | undefined, isMore = true; isMore;) {
    const bite = await transact((transaction) => sweepBite(transaction, { jobId, limit: BITE, above }));
    // What was claimed since the last look by a worker that did not know yet.
    await transact((transaction) => sweepRunning(transaction, [jobId]));
    above = bite.at(-1);
    isMore = bite.length === BITE;
  }
  await transact(async (transaction) => {
    await sweepSkipped(transaction, jobId);
    await markSwept(transaction, jobId);
  });
}

async function markSwept(transaction: Transaction, jobId: string): Promise<void> {
  await transaction.execute(sql`UPDATE jobs SET sweeping = false WHERE id = ${jobId}::uuid AND sweeping`);
}

/** By the index of what runs: those of the job alone would mean to look at all its tasks. */
async function sweepRunning(transaction: Transaction, jobIds: readonly string[]): Promise<void> {
  const tasks = await transaction.execute(sql`
    UPDATE tasks SET status = 'cancelled', finished_at = now(), lease_until = NULL
    WHERE id = ANY(ARRAY(
      SELECT id FROM tasks
      WHERE tenant_id = ANY(ARRAY(SELECT tenant_id FROM jobs WHERE id = ANY(${jobIds}::uuid[])))
        AND job_id = ANY(${jobIds}::uuid[]) AND status = 'running' ORDER BY id FOR UPDATE))`);
  if (tasks > 0) await transaction.query(sql`SELECT pg_notify(${CANCEL_CHANNEL}, '')`);
}

/** A task's place in the order of a sweep. */
interface Place {
  readonly itemFrom: number;
  readonly id: string;
}

/**
 * From the last items to the first: claims come the other way, and later runs of a sequential stage wait for earlier ones,
 * so that as long as any task is left, there is one to claim. Waits for no lock; another sweeper takes other tasks.
 */
async function sweepBite(
  transaction: Transaction,
  { jobId, limit, above }: { jobId: string; limit: number; above?: Place | undefined },
): Promise<Place[]> {
  const below = above ? sql`AND (item_from, id) < (${above.itemFrom}::int, ${above.id}::uuid)` : sql``;
  const bite = await transaction.query<Place>(sql`
    SELECT item_from AS "itemFrom", id FROM tasks
    WHERE job_id = ${jobId}::uuid AND status IN ('waiting', 'ready') ${below}
    ORDER BY item_from DESC, id DESC LIMIT ${limit} FOR UPDATE SKIP LOCKED`);
  await transaction.execute(sql`
    UPDATE tasks SET status = 'cancelled', finished_at = now(), lease_until = NULL WHERE id = ANY(${bite.map(({ id }) => id)}::uuid[])`);
  return bite;
}

/** The few that others had locked; in id order, as every statement that waits for the locks of many tasks. */
async function sweepSkipped(transaction: Transaction, jobId: string): Promise<void> {
  await transaction.execute(sql`
    UPDATE tasks SET status = 'cancelled', finished_at = now(), lease_until = NULL
    WHERE id = ANY(ARRAY(
      SELECT id FROM tasks WHERE job_id = ${jobId}::uuid AND status IN ('waiting', 'ready', 'running') ORDER BY id FOR UPDATE))`);
}
