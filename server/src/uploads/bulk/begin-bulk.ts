import type { Metadata } from "@filemill/contract/files.ts";
import type { Database } from "../../db/database.ts";
import { hashRequest, withIdempotency } from "../../jobs/idempotency.ts";
import type { PipelineRequest } from "../../jobs/pipelines/resolve.ts";
import { newBulkId } from "../../record/bulk-id.ts";

export interface BulkRequest {
  readonly tenantId: string;
  readonly idempotencyKey: string | undefined;
  readonly metadata: Metadata;
  readonly pipeline?: PipelineRequest | undefined;
}

/**
 * Which bulk a request is: a new one, or, for a key that was used before, the one that it began. The archive itself is
 * compared as it comes by, file by file. Throws Problem `idempotency_key_reused` where the rest of the request differs.
 */
export async function beginBulk(database: Database, request: BulkRequest): Promise<{ bulkId: string; resumes: boolean }> {
  const { tenantId, idempotencyKey: key, metadata, pipeline } = request;
  if (key === undefined) return { bulkId: newBulkId(), resumes: false };
  const requestHash = hashRequest({ request: "bulk", metadata, pipeline: pipeline ?? null });
  const { body, replayed } = await withIdempotency(database, { tenantId, key, requestHash }, async () => ({
    status: 202,
    body: { bulk: newBulkId() },
  }));
  return { bulkId: body.bulk, resumes: replayed };
}
