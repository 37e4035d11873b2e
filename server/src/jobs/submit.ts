import { v7 as uuidv7 } from "uuid";
import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { appendEvents } from "../record/events.ts";
import { advanceJobs } from "./advance/advance-jobs.ts";
import { deliver, newAdvance, type JobAdvance } from "./advance/deliveries.ts";
import type { Plan } from "./plan.ts";
import type { Submission, SubmittedJob } from "./submission.ts";

/**
 * Records a job and makes its first tasks ready, inside the caller's transaction (as the tenant): with the files it takes,
 * where they come in the same request, or not at all. Announce `lanes` after the commit.
 */
export async function submitJob(transaction: Transaction, submission: Submission): Promise<SubmittedJob> {
  const jobId = uuidv7();
  await insertJob(transaction, jobId, submission);
  await insertStages(transaction, jobId, submission);
  const event = { tenantId: submission.tenantId, jobId, type: "job.queued" as const, data: { pipeline: submission.pipeline.name } };
  await appendEvents(transaction, [event]);
  const lanes = await advanceJobs(transaction, [inputsOf(jobId, submission)]);
  return { jobId, lanes };
}

async function insertJob(transaction: Transaction, jobId: string, submission: Submission): Promise<void> {
  const { tenantId, pipeline, inputs, priority, metadata } = submission;
  await transaction.execute(sql`
    INSERT INTO jobs (id, tenant_id, priority, pipeline_name, pipeline_version, input_items, input_bytes, next_ordinal)
    VALUES (${jobId}::uuid, ${tenantId}::uuid, ${priority}, ${pipeline.name}, ${pipeline.version}, ${inputs.length},
      ${inputs.reduce((sum, input) => sum + input.sizeBytes, 0)}, ${inputs.length})`);
  await transaction.execute(sql`
    INSERT INTO job_specs (job_id, tenant_id, document, params, plan, metadata)
    VALUES (${jobId}::uuid, ${tenantId}::uuid, ${JSON.stringify(pipeline.document)}::jsonb, ${JSON.stringify(pipeline.params)}::jsonb,
      ${JSON.stringify(pipeline.plan)}::jsonb, ${JSON.stringify(metadata)}::jsonb)`);
}

async function insertStages(transaction: Transaction, jobId: string, { tenantId, pipeline: { plan }, inputs }: Submission): Promise<void> {
  await transaction.execute(sql`
    INSERT INTO job_stages (job_id, stage, tenant_id, kind, open_feeders, leaves)
    SELECT ${jobId}::uuid, stage, ${tenantId}::uuid, kind, open_feeders, leaves
    FROM unnest(
      ${plan.stages.map((stage) => stage.no)}::smallint[], ${plan.stages.map((stage) => stage.kind)}::text[],
      ${plan.stages.map((stage) => stage.feeders.length)}::smallint[], ${plan.stages.map((_stage, no) => leavesOf(plan, no, inputs.length))}::bigint[]
    ) AS given(stage, kind, open_feeders, leaves)`);
}

/** Leaves of a tree whose size is known now: one for each input and each step that feeds it. */
function leavesOf(plan: Plan, no: number, inputs: number): number | null {
  const stage = plan.stages[no];
  if (stage?.kind !== "tree" || !stage.countKnown) return null;
  return inputs * (stage.steps[0]?.needs.length ?? 1);
}

/** The job's inputs seen as the outputs of a step without a name. */
function inputsOf(jobId: string, { tenantId, pipeline: { plan }, priority, inputs }: Submission): JobAdvance {
  const advance = newAdvance({ jobId, tenantId, priority, plan });
  const source = { name: "", emits: "one" as const, feeds: plan.stages.filter((stage) => stage.takesInputs).map((stage) => stage.no) };
  inputs.forEach((input, ordinal) => {
    const entry = { ordinal, parent: -1, fileId: input.fileId, from: "" };
    deliver(advance, source, entry, [{ step: "", fileId: input.fileId, sizeBytes: input.sizeBytes }]);
  });
  return advance;
}
