import { encodeId } from "@filemill/contract/ids.ts";
import type { Metadata } from "@filemill/contract/files.ts";
import type { Database } from "../../db/database.ts";
import { hashRequest, withIdempotency } from "../../jobs/idempotency.ts";
import { resolvePipeline, type PipelineRequest } from "../../jobs/pipelines/resolve.ts";
import { MAX_JOB_INPUTS } from "../../jobs/lock-inputs.ts";
import { submitJob } from "../../jobs/submit.ts";
import { appendAudit } from "../../record/audit.ts";
import { lockBulkInputs } from "../../record/bulk-rows.ts";

/** As many as a job takes by their ids. */
export const MAX_BULK_JOB_FILES = MAX_JOB_INPUTS;

export interface BulkJob {
  readonly tenantId: string;
  readonly actor: string;
  readonly bulkId: string;
  readonly pipeline: PipelineRequest;
  readonly metadata: Metadata;
  readonly estimatedCompletion: Date | null;
}

export interface SubmittedBulk {
  readonly jobId: string;
  readonly estimatedCompletion: string | null;
  /** To be announced; empty where an earlier request made the job. */
  readonly lanes: ReadonlySet<string>;
}

/** Makes one job over all files of a bulk, once however often it is asked. Throws as resolvePipeline and submitJob do. */
export async function submitBulk(
  services: { database: Database; catalogue: Parameters<typeof resolvePipeline>[2] },
  job: BulkJob,
): Promise<SubmittedBulk> {
  const { tenantId, bulkId, metadata } = job;
  const key = encodeId("bulk", bulkId);
  const requestHash = hashRequest({ request: "bulk job", pipeline: job.pipeline, metadata });
  let lanes: ReadonlySet<string> = new Set();
  const { body } = await withIdempotency(services.database, { tenantId, key, requestHash }, async (transaction) => {
    const pipeline = await resolvePipeline(transaction, job.pipeline, services.catalogue);
    const files = await lockBulkInputs(transaction, { bulkId, limit: MAX_BULK_JOB_FILES });
    const inputs = files.map(({ id, size_bytes }) => ({ fileId: id, sizeBytes: size_bytes }));
    const submitted = await submitJob(transaction, { tenantId, pipeline, inputs, priority: 0, metadata });
    const detail = { pipeline: pipeline.name, inputs: inputs.length };
    await appendAudit(transaction, { tenantId, actor: job.actor, action: "job.create", object: encodeId("job", submitted.jobId), detail });
    ({ lanes } = submitted);
    return { status: 202, body: { jobId: submitted.jobId, estimatedCompletion: job.estimatedCompletion?.toISOString() ?? null } };
  });
  return { ...body, lanes };
}
