import type { JobAccepted } from "@filemill/contract/jobs.ts";
import type { Metadata } from "@filemill/contract/files.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import type { Database } from "../db/database.ts";
import type { JobSource } from "@filemill/contract/source.ts";
import { failpoint } from "../failpoint.ts";
import type { Catalogue } from "../processors/catalogue.ts";
import { appendAudit } from "../record/audit.ts";
import { hashRequest, withIdempotency } from "./idempotency.ts";
import { lockInputs } from "./lock-inputs.ts";
import { resolvePipeline, type PipelineRequest } from "./pipelines/resolve.ts";
import { requireListFile } from "./sources/job-inputs.ts";
import { submitJob } from "./submit.ts";

/** A job over files that are there already. */
export interface JobOrder extends PipelineRequest {
  readonly tenantId: string;
  readonly actor: string;
  readonly idempotencyKey: string | undefined;
  /** Public ids of files and bulks, in the order of the items. */
  readonly inputs: readonly string[];
  /** Where inputs are collected from instead (sources/job-inputs.ts has checked it). */
  readonly source?: JobSource | undefined;
  readonly priority?: number | undefined;
  readonly metadata?: Metadata | undefined;
  /** When the job will have ended, as far as can be told; part of the answer. */
  readonly estimatedCompletion?: Date | null | undefined;
}

export interface AcceptedJob {
  readonly answer: JobAccepted;
  /** To be announced; empty where an earlier request with the same key made the job. */
  readonly lanes: ReadonlySet<string>;
}

/**
 * Checks, plans and records a job in one transaction, at most once for an Idempotency-Key. Throws Problem: not_found for
 * the pipeline or any of the inputs (all are named, with their places), validation_failed, idempotency_key_reused.
 */
export async function acceptJob(services: { database: Database; catalogue: Catalogue }, order: JobOrder): Promise<AcceptedJob> {
  const { tenantId, actor, idempotencyKey: key, inputs, source, pipeline, params, priority = 0, metadata = {} } = order;
  const requestHash = hashRequest({ call: "POST /jobs", pipeline, params, inputs, priority, metadata, ...(source && { source }) });
  let lanes: ReadonlySet<string> = new Set();
  const { body } = await withIdempotency<JobAccepted>(services.database, { tenantId, key, requestHash }, async (transaction) => {
    const planned = await resolvePipeline(transaction, { pipeline, params }, services.catalogue);
    const files = await lockInputs(transaction, tenantId, inputs);
    if (source) await requireListFile(transaction, source);
    const job = await submitJob(transaction, {
      tenantId,
      pipeline: planned,
      inputs: files,
      ...(source && { source }),
      priority,
      metadata,
    });
    const id = encodeId("job", job.jobId);
    await appendAudit(transaction, {
      tenantId,
      actor,
      action: "job.create",
      object: id,
      detail: { pipeline: planned.name, ...(source ? { source: source.kind } : { inputs: files.length }) },
    });
    ({ lanes } = job);
    await failpoint("job-before-commit");
    const summaries = files.flatMap(({ told }) => told ?? []);
    return {
      status: 202,
      body: { job_id: id, status: "queued", estimated_completion: order.estimatedCompletion?.toISOString() ?? null, files: summaries },
    };
  });
  await failpoint("job-after-commit");
  return { answer: body, lanes };
}
