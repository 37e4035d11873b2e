import type { AfterPolicy } from "@filemill/contract/jobs.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import type { JobSource } from "@filemill/contract/source.ts";
import type { JobStatus } from "@filemill/contract/status.ts";
import type { Logger } from "pino";
import { LONG_STATEMENT_MS, type Database, type Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { failpoint } from "../../failpoint.ts";
import { appendAudit } from "../../record/audit.ts";
import { appendEvents } from "../../record/events.ts";
import type { PlannedPipeline } from "../submission.ts";
import { startRecordedJob } from "../submit.ts";
import { inputsOfWaiting, TooManyInputs, type WaitingInputs } from "./inputs.ts";
import { WAITING_STAGE } from "./submit-waiting.ts";

/** Jobs that one round looks at; a round is followed by the next at once while there is more. */
const BITE = 100;

/**
 * Starts, or cancels, the jobs that waited for others which have ended. How a job ended is written into the rows of those
 * that wait by the transaction that ends it (the trigger `note_ended`), so that nothing is lost between the two, wherever a
 * process dies; any number of processes may do this at once. Gives the lanes to announce, and whether there may be more.
 */
export async function startWaitingJobs(services: {
  readonly database: Database;
  readonly log: Logger;
  readonly signal?: AbortSignal | undefined;
}): Promise<{ lanes: Set<string>; more: boolean }> {
  const { database, log, signal } = services;
  const lanes = new Set<string>();
  const due = await database.asSystem((transaction) =>
    transaction.query<{ jobId: string }>(sql`
      SELECT DISTINCT job_id AS "jobId" FROM job_dependencies WHERE outcome IS NOT NULL AND NOT seen LIMIT ${BITE}`),
  );
  for (const { jobId } of due) {
    if (signal?.aborted) break;
    try {
      const started = await database.asSystem((transaction) => settleWaiting(transaction, jobId), { statementMs: LONG_STATEMENT_MS });
      await failpoint("wait-after-commit");
      for (const lane of started) lanes.add(lane);
    } catch (err) {
      // It keeps no other from starting; it is looked at again in the next round.
      log.warn({ err, jobId }, "a job that has waited could not be started");
    }
  }
  return { lanes, more: due.length === BITE };
}

interface WaitingJob extends WaitingInputs {
  readonly policy: AfterPolicy;
  readonly settled: boolean;
  readonly status: JobStatus;
  readonly priority: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly source: JobSource | null;
  readonly pipeline: PlannedPipeline;
}

interface Outcome {
  readonly jobId: string;
  readonly outcome: JobStatus | null;
}

async function settleWaiting(transaction: Transaction, jobId: string): Promise<ReadonlySet<string>> {
  const job = await lockWaiting(transaction, jobId);
  if (!job) return new Set();
  const outcomes = await readOutcomes(transaction, jobId);
  let lanes: ReadonlySet<string> = new Set();
  // One that was cancelled while it waited stays as it is.
  if (!job.settled && job.status === "queued") {
    const obstacle =
      job.policy === "completed" ? outcomes.find(({ outcome }) => outcome === "failed" || outcome === "cancelled") : undefined;
    if (obstacle) await cancelWaiting(transaction, job, whyNot(obstacle));
    else if (outcomes.every(({ outcome }) => outcome !== null)) lanes = await start(transaction, job);
  }
  await failpoint("wait-before-commit");
  return lanes;
}

/**
 * In the order of the engine's locks: a stage, the job, then what is this folder's. Undefined where somebody else is at
 * it: whoever cancels or deletes it, or another round, which takes its first stage before the others.
 */
async function lockWaiting(transaction: Transaction, jobId: string): Promise<WaitingJob | undefined> {
  const [gate] = await transaction.query(sql`SELECT FROM job_stages WHERE job_id = ${jobId}::uuid AND stage = 0 FOR UPDATE SKIP LOCKED`);
  if (!gate) return undefined;
  await transaction.query(sql`SELECT FROM jobs WHERE id = ${jobId}::uuid FOR UPDATE`);
  const [job] = await transaction.query<WaitingJob>(sql`
    SELECT w.job_id AS "jobId", w.tenant_id AS "tenantId", w.policy, w.inputs_from AS "inputsFrom", w.source,
      w.settled_at IS NOT NULL AS settled, j.status, j.priority, s.metadata,
      jsonb_build_object('name', j.pipeline_name, 'version', j.pipeline_version, 'document', s.document, 'params', s.params, 'plan', s.plan)
        AS pipeline
    FROM job_waits w JOIN jobs j ON j.id = w.job_id JOIN job_specs s ON s.job_id = w.job_id WHERE w.job_id = ${jobId}::uuid FOR UPDATE OF w`);
  return job;
}

/** What comes to be known behind this look stays unseen, and the next round looks again. */
async function readOutcomes(transaction: Transaction, jobId: string): Promise<Outcome[]> {
  await transaction.execute(sql`
    UPDATE job_dependencies SET seen = true WHERE job_id = ${jobId}::uuid AND outcome IS NOT NULL AND NOT seen`);
  return await transaction.query<Outcome>(sql`
    SELECT after_job_id AS "jobId", outcome FROM job_dependencies WHERE job_id = ${jobId}::uuid ORDER BY after_job_id`);
}

async function start(transaction: Transaction, job: WaitingJob): Promise<ReadonlySet<string>> {
  const { jobId, tenantId, pipeline, source, priority, metadata } = job;
  try {
    const inputs = await inputsOfWaiting(transaction, job);
    await settle(transaction, jobId, undefined);
    return await startRecordedJob(transaction, jobId, {
      tenantId,
      pipeline,
      inputs,
      ...(source && { source }),
      priority,
      metadata,
    });
  } catch (error) {
    if (!(error instanceof TooManyInputs)) throw error;
    await cancelWaiting(transaction, job, { code: "limit_exceeded", message: error.message });
    return new Set();
  }
}

interface Reason {
  readonly code: "input_dead" | "limit_exceeded";
  readonly message: string;
}

function whyNot({ jobId, outcome }: Outcome): Reason {
  const ended = outcome === "failed" ? "failed" : "was cancelled";
  return {
    code: "input_dead",
    message: `The job "${encodeId("job", jobId)}", which this one was to start after, ${ended}. Submit this one again, or with after_policy "finished".`,
  };
}

async function cancelWaiting(transaction: Transaction, job: WaitingJob, reason: Reason): Promise<void> {
  const { jobId, tenantId } = job;
  await transaction.execute(sql`UPDATE job_stages SET status = 'cancelled' WHERE job_id = ${jobId}::uuid`);
  await transaction.execute(sql`UPDATE jobs SET status = 'cancelled', finished_at = now() WHERE id = ${jobId}::uuid`);
  await appendEvents(transaction, [{ tenantId, jobId, type: "job.cancelled", data: { ...reason } }]);
  const object = encodeId("job", jobId);
  await appendAudit(transaction, { tenantId, actor: "system", action: "job.cancel", object, detail: { ...reason } });
  await settle(transaction, jobId, reason);
}

async function settle(transaction: Transaction, jobId: string, reason: Reason | undefined): Promise<void> {
  const error = reason ? JSON.stringify({ ...reason, step: null }) : null;
  await transaction.execute(sql`UPDATE job_waits SET settled_at = now(), error = ${error}::jsonb WHERE job_id = ${jobId}::uuid`);
  await transaction.execute(sql`DELETE FROM stage_arrivals WHERE job_id = ${jobId}::uuid AND stage = ${WAITING_STAGE}`);
}
