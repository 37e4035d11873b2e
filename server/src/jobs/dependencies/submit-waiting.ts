import { decodeId } from "@filemill/contract/ids.ts";
import { v7 as uuidv7 } from "uuid";
import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { keepArrivals } from "../advance/arrivals.ts";
import { newAdvance } from "../advance/deliveries.ts";
import type { Submission, SubmittedJob } from "../submission.ts";
import { recordJob } from "../submit.ts";
import type { After } from "./after.ts";
import { lockPredecessors, type Predecessor } from "./predecessors.ts";

/** Under which a job's inputs wait: where all that guards the files of open jobs looks as well. No stage has that number. */
export const WAITING_STAGE = -1;

/**
 * Records a job that starts after others, inside the caller's transaction (as the tenant): queued, without a task. It starts
 * in a round (start-waiting.ts), also where all of them have ended already, so that there is one way to start.
 */
export async function submitWaiting(transaction: Transaction, order: Submission & { readonly after: After }): Promise<SubmittedJob> {
  const { tenantId, after, inputs, priority, pipeline } = order;
  const predecessors = await lockPredecessors(transaction, tenantId, after);
  const jobId = uuidv7();
  await recordJob(transaction, jobId, order);
  await insertWait(transaction, { jobId, order });
  await insertDependencies(transaction, { jobId, tenantId, predecessors });
  if (inputs.length > 0) {
    const entries = inputs.map(({ fileId }, ordinal) => ({ ordinal, parent: -1, fileId, from: "" }));
    const advance = newAdvance({ jobId, tenantId, priority, plan: pipeline.plan });
    await keepArrivals(transaction, { ...advance, arrivals: new Map([[WAITING_STAGE, entries]]) });
  }
  return { jobId, lanes: new Set() };
}

async function insertWait(transaction: Transaction, wait: { jobId: string; order: Submission & { readonly after: After } }): Promise<void> {
  const { tenantId, after, source } = wait.order;
  const inputsFrom = after.inputsFrom.map(({ job, steps }) => ({ jobId: decodeId("job", job), steps: steps ?? null }));
  await transaction.execute(sql`
    INSERT INTO job_waits (job_id, tenant_id, policy, inputs_from, source)
    VALUES (${wait.jobId}::uuid, ${tenantId}::uuid, ${after.policy}, ${JSON.stringify(inputsFrom)}::jsonb,
      ${source ? JSON.stringify(source) : null}::jsonb)`);
}

async function insertDependencies(
  transaction: Transaction,
  { jobId, tenantId, predecessors }: { jobId: string; tenantId: string; predecessors: readonly Predecessor[] },
): Promise<void> {
  await transaction.execute(sql`
    INSERT INTO job_dependencies (job_id, tenant_id, after_job_id, outcome)
    SELECT ${jobId}::uuid, ${tenantId}::uuid, id, CASE WHEN status IN ('completed', 'failed', 'cancelled') THEN status END
    FROM unnest(${predecessors.map((job) => job.jobId)}::uuid[], ${predecessors.map((job) => job.status)}::text[]) AS given(id, status)`);
}
