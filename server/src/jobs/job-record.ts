import type { Transaction } from "../db/database.ts";
import { sql, type Statement } from "../db/sql.ts";
import type { StageRow } from "./advance/stage-rows.ts";
import type { Submission } from "./submission.ts";

/** A submission with the plan that its source makes of the pipeline's. */
export interface CountedSubmission extends Submission {
  /** Items that the job begins with; `inputs` are those of them that are there already. */
  readonly count: number;
}

/** The rows of a new job: itself, what was asked, its stages. */
export async function insertJob(transaction: Transaction, submission: CountedSubmission, rows: readonly StageRow[]): Promise<void> {
  const { tenantId, pipeline, count, priority, metadata } = submission;
  await transaction.execute(sql`
    WITH job AS (
      INSERT INTO jobs (id, tenant_id, priority, pipeline_name, pipeline_version, input_items, input_bytes, next_ordinal)
      VALUES (${rows[0]?.jobId}::uuid, ${tenantId}::uuid, ${priority}, ${pipeline.name}, ${pipeline.version}, ${count}, ${bytesOf(submission)}, ${count})
      RETURNING id, tenant_id
    ), spec AS (
      INSERT INTO job_specs (job_id, tenant_id, document, params, plan, metadata)
      SELECT id, tenant_id, ${JSON.stringify(pipeline.document)}::jsonb, ${JSON.stringify(pipeline.params)}::jsonb,
        ${JSON.stringify(pipeline.plan)}::jsonb, ${JSON.stringify(metadata)}::jsonb
      FROM job
    )
    INSERT INTO job_stages (job_id, tenant_id, stage, kind, status, open_tasks, open_feeders, items_in, leaves)
    SELECT job.id, job.tenant_id, given.* FROM job, ${stagesOf(submission, rows)}`);
}

/** Those of a job that was recorded before its inputs were known, as the system: its plan may have other stages now. */
export async function replaceJob(transaction: Transaction, submission: CountedSubmission, rows: readonly StageRow[]): Promise<void> {
  const { tenantId, pipeline, count } = submission;
  const jobId = rows[0]?.jobId;
  await transaction.execute(sql`DELETE FROM job_stages WHERE job_id = ${jobId}::uuid AND tenant_id = ${tenantId}::uuid`);
  await transaction.execute(sql`
    WITH job AS (
      UPDATE jobs SET input_items = ${count}, input_bytes = ${bytesOf(submission)}, next_ordinal = ${count}
      WHERE id = ${jobId}::uuid AND tenant_id = ${tenantId}::uuid RETURNING id, tenant_id
    ), spec AS (
      UPDATE job_specs SET plan = ${JSON.stringify(pipeline.plan)}::jsonb FROM job WHERE job_specs.job_id = job.id
    )
    INSERT INTO job_stages (job_id, tenant_id, stage, kind, status, open_tasks, open_feeders, items_in, leaves)
    SELECT job.id, job.tenant_id, given.* FROM job, ${stagesOf(submission, rows)}`);
}

/** What is generated was never stored. */
function bytesOf({ source, inputs }: CountedSubmission): number {
  return source ? 0 : inputs.reduce((sum, input) => sum + input.sizeBytes, 0);
}

function stagesOf({ pipeline }: CountedSubmission, rows: readonly StageRow[]): Statement {
  const column = <T>(pick: (row: StageRow) => T): T[] => rows.map(pick);
  return sql`unnest(
      ${column((row) => row.stage)}::smallint[], ${pipeline.plan.stages.map((stage) => stage.kind)}::text[], ${column((row) => row.status)}::text[],
      ${column((row) => row.openTasks)}::int[], ${column((row) => row.openFeeders)}::smallint[], ${column((row) => row.itemsIn)}::bigint[],
      ${column((row) => row.leaves)}::bigint[]
    ) AS given(stage, kind, status, open_tasks, open_feeders, items_in, leaves)`;
}
