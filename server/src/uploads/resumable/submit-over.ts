import type { Transaction } from "../../db/database.ts";
import { Problem } from "../../errors.ts";
import { resolvePipeline, type PipelineRequest } from "../../jobs/pipelines/resolve.ts";
import type { PlannedPipeline, SubmittedJob } from "../../jobs/submission.ts";
import { submitJob } from "../../jobs/submit.ts";
import type { StoredFile } from "../../record/files.ts";
import type { ResumableServices } from "./resumable.ts";
import type { JobProblem } from "./upload-row.ts";

export interface Submitted {
  /** Undefined where none was asked for, or it can't be. */
  readonly job?: SubmittedJob;
  /** Why it can't be. */
  readonly problem?: JobProblem;
}

/**
 * The job over a file that is being recorded, where one was asked for. What was asked for was checked before the first byte;
 * where the pipeline was deleted since then, or takes other parameters, the file is recorded without a job: hours of sending
 * are not thrown away, and a request that could only fail is not repeated for ever. Throws as submitJob.
 */
export async function submitOver(
  transaction: Transaction,
  services: Pick<ResumableServices, "catalogue">,
  { pipeline: request, file }: { pipeline: PipelineRequest | null; file: StoredFile },
): Promise<Submitted> {
  if (request === null) return {};
  const pipeline = await planned(transaction, services, request);
  if ("code" in pipeline) return { problem: pipeline };
  const { id: fileId, tenantId, sizeBytes, metadata } = file;
  return { job: await submitJob(transaction, { tenantId, pipeline, inputs: [{ fileId, sizeBytes }], priority: 0, metadata }) };
}

async function planned(
  transaction: Transaction,
  { catalogue }: Pick<ResumableServices, "catalogue">,
  request: PipelineRequest,
): Promise<PlannedPipeline | JobProblem> {
  try {
    return await resolvePipeline(transaction, request, catalogue);
  } catch (error) {
    if (error instanceof Problem) return { code: error.code, detail: error.message };
    throw error;
  }
}
