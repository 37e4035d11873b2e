import type { FileSummary, Metadata } from "@filemill/contract/files.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import type { JobSource } from "@filemill/contract/source.ts";
import type { Transaction } from "../db/database.ts";
import type { Catalogue } from "../processors/catalogue.ts";
import { appendAudit } from "../record/audit.ts";
import { submitWaiting } from "./dependencies/submit-waiting.ts";
import type { After } from "./dependencies/after.ts";
import { lockInputs } from "./lock-inputs.ts";
import { withProfile } from "./plan-profile.ts";
import { resolvePipeline, type PipelineRequest } from "./pipelines/resolve.ts";
import { requireListFile } from "./sources/job-inputs.ts";
import type { SubmittedJob } from "./submission.ts";
import { submitJob } from "./submit.ts";

/** A job over what is there already, or is collected, or comes from other jobs. */
export interface Order extends PipelineRequest {
  readonly tenantId: string;
  readonly actor: string;
  /** Public ids of files and bulks, in the order of the items. */
  readonly inputs: readonly string[];
  /** Where inputs are collected from instead (sources/job-inputs.ts has checked it). */
  readonly source?: JobSource | undefined;
  /** What the job waits for. */
  readonly after?: After | undefined;
  readonly priority?: number | undefined;
  readonly metadata?: Metadata | undefined;
  /** Record CPU profiles of its tasks. */
  readonly profile?: boolean | undefined;
  /** For the record: what made the job, where no request did. */
  readonly cause?: Readonly<Record<string, unknown>> | undefined;
}

export interface PlacedJob extends SubmittedJob {
  /** The inputs that an answer shows. */
  readonly files: FileSummary[];
}

/**
 * Checks, plans and records a job inside the caller's transaction, as the tenant. Nothing is written before all is checked, so
 * that a caller may go on after a Problem. Throws Problem: not_found for the pipeline, the jobs before it or any of the inputs
 * (all are named, with their places), validation_failed, conflict.
 */
export async function placeOrder(transaction: Transaction, catalogue: Catalogue, order: Order): Promise<PlacedJob> {
  const { tenantId, actor, inputs, source, after, pipeline, params, priority = 0, metadata = {}, cause = {} } = order;
  const resolved = await resolvePipeline(transaction, { pipeline, params }, catalogue);
  const planned = order.profile ? { ...resolved, plan: withProfile(resolved.plan) } : resolved;
  const files = await lockInputs(transaction, tenantId, inputs);
  if (source) await requireListFile(transaction, source);
  const submission = { tenantId, pipeline: planned, inputs: files, ...(source && { source }), priority, metadata };
  const job = after ? await submitWaiting(transaction, { ...submission, after }) : await submitJob(transaction, submission);
  await appendAudit(transaction, {
    tenantId,
    actor,
    action: "job.create",
    object: encodeId("job", job.jobId),
    detail: { pipeline: planned.name, ...(source ? { source: source.kind } : { inputs: files.length }), ...cause },
  });
  return { ...job, files: files.flatMap(({ told }) => told ?? []) };
}
