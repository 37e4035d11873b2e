import type { JobAccepted } from "@filemill/contract/jobs.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import type { Database } from "../db/database.ts";
import { failpoint } from "../failpoint.ts";
import type { Catalogue } from "../processors/catalogue.ts";
import { hashRequest, withIdempotency } from "./idempotency.ts";
import { placeOrder, type Order } from "./place-order.ts";

/** An order as a request brings it. */
export interface JobOrder extends Order {
  readonly idempotencyKey: string | undefined;
  /** When the job will have ended, as far as can be told; part of the answer. */
  readonly estimatedCompletion?: Date | null | undefined;
}

export interface AcceptedJob {
  readonly answer: JobAccepted;
  /** To be announced; empty where an earlier request with the same key made the job. */
  readonly lanes: ReadonlySet<string>;
}

/**
 * Checks, plans and records a job in one transaction, at most once for an Idempotency-Key. Throws Problem as placeOrder does,
 * and idempotency_key_reused.
 */
export async function acceptJob(services: { database: Database; catalogue: Catalogue }, order: JobOrder): Promise<AcceptedJob> {
  const { tenantId, idempotencyKey: key, inputs, source, after, profile, pipeline, params, priority = 0, metadata = {} } = order;
  const optional = { ...(source && { source }), ...(after && { after }), ...(profile && { profile }) };
  const asked = { call: "POST /jobs", pipeline, params, inputs, priority, metadata, ...optional };
  const request = { tenantId, key, requestHash: hashRequest(asked) };
  let lanes: ReadonlySet<string> = new Set();
  const { body } = await withIdempotency<JobAccepted>(services.database, request, async (transaction) => {
    const job = await placeOrder(transaction, services.catalogue, order);
    ({ lanes } = job);
    await failpoint("job-before-commit");
    const estimated = order.estimatedCompletion?.toISOString() ?? null;
    return {
      status: 202,
      body: { job_id: encodeId("job", job.jobId), status: "queued", estimated_completion: estimated, files: job.files },
    };
  });
  await failpoint("job-after-commit");
  return { answer: body, lanes };
}
