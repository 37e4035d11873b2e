import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { MAX_JOB_INPUTS } from "../lock-inputs.ts";
import type { Submission } from "../submission.ts";
import { WAITING_STAGE } from "./submit-waiting.ts";

export interface WaitingInputs {
  readonly jobId: string;
  readonly tenantId: string;
  /** Jobs whose outputs are the inputs; `steps` null: of all steps. */
  readonly inputsFrom: readonly { readonly jobId: string; readonly steps: readonly string[] | null }[];
}

/** The jobs before this one made more files than a job takes. */
export class TooManyInputs extends Error {
  constructor() {
    super(`The jobs before this one made more than ${MAX_JOB_INPUTS} files, which is more than one job takes. Name some of their steps.`);
    this.name = "TooManyInputs";
  }
}

/**
 * What a job that has waited starts with, in the order of the request: the files that it was given, or the outputs of the
 * jobs before it, each in the order of its items. Held until the commit. Files that are not there any more are left out.
 * Throws TooManyInputs.
 */
export async function inputsOfWaiting(transaction: Transaction, job: WaitingInputs): Promise<Submission["inputs"]> {
  const inputs = [...(await givenInputs(transaction, job))];
  for (const { jobId, steps } of job.inputsFrom) {
    for (const file of await outputsOf(transaction, { tenantId: job.tenantId, jobId, steps })) inputs.push(file);
    if (inputs.length > MAX_JOB_INPUTS) throw new TooManyInputs();
  }
  return inputs;
}

async function givenInputs(transaction: Transaction, { jobId, tenantId }: WaitingInputs): Promise<Submission["inputs"]> {
  return await transaction.query<{ fileId: string; sizeBytes: number }>(sql`
    SELECT files.id AS "fileId", files.size_bytes AS "sizeBytes"
    FROM stage_arrivals CROSS JOIN LATERAL unnest(ordinals, files) AS entry(ordinal, file_id)
      JOIN files ON files.id = entry.file_id AND files.tenant_id = ${tenantId}::uuid AND files.status = 'stored'
    WHERE stage_arrivals.job_id = ${jobId}::uuid AND stage = ${WAITING_STAGE}
    ORDER BY entry.ordinal FOR SHARE OF files`);
}

/** An output that several steps pass on is one input. */
async function outputsOf(
  transaction: Transaction,
  from: { readonly tenantId: string; readonly jobId: string; readonly steps: readonly string[] | null },
): Promise<Submission["inputs"]> {
  const rows = await transaction.query<{ fileId: string; sizeBytes: number }>(sql`
    SELECT files.id AS "fileId", files.size_bytes AS "sizeBytes"
    FROM outputs JOIN files ON files.id = outputs.file_id AND files.tenant_id = ${from.tenantId}::uuid AND files.status = 'stored'
    WHERE outputs.job_id = ${from.jobId}::uuid AND outputs.tenant_id = ${from.tenantId}::uuid AND outputs.kept
      AND (${from.steps}::text[] IS NULL OR outputs.step = ANY(${from.steps}::text[]))
    ORDER BY outputs.ordinal, outputs.step, outputs.task_id, outputs.part LIMIT ${MAX_JOB_INPUTS + 1} FOR SHARE OF files`);
  return [...new Map(rows.map((row) => [row.fileId, row])).values()];
}
