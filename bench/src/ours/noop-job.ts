import { v7 as uuidv7 } from "uuid";
import type { Batch } from "@filemill/contract/pipeline.ts";
import type { Database } from "@filemill/server/src/db/database.ts";
import { sql } from "@filemill/server/src/db/sql.ts";
import type { Plan } from "@filemill/server/src/jobs/plan.ts";
import { submitJob } from "@filemill/server/src/jobs/submit.ts";

export const LANE = "default";
const STEP = "noop";
const ITEM_BYTES = 1024;

/** A tenant that owns the jobs of a row; resolves to its id. */
export async function addTenant(database: Database, name: string): Promise<string> {
  const tenantId = uuidv7();
  await database.asSystem((transaction) => transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${tenantId}::uuid, ${name})`));
  return tenantId;
}

/** Submits one job of `items` inputs that nothing will read; without `batch` they are packed as small files are. */
export async function submitNoop(
  database: Database,
  job: { tenantId: string; items: number; batch?: Batch },
): Promise<ReadonlySet<string>> {
  const plan = noopPlan(job.batch);
  const inputs = Array.from({ length: job.items }, () => ({ fileId: uuidv7(), sizeBytes: ITEM_BYTES }));
  const pipeline = { name: STEP, version: null, document: { steps: { [STEP]: { use: "demo.noop" } } }, params: {}, plan };
  const submitted = await database.asTenant(job.tenantId, (transaction) =>
    submitJob(transaction, { tenantId: job.tenantId, pipeline, inputs, priority: 0, metadata: {} }),
  );
  return submitted.lanes;
}

export function noopPlan(batch: Batch | undefined): Plan {
  const step = { name: STEP, use: "demo.noop", version: "1", with: {}, needs: [""], onError: "fail", timeoutMs: 60_000 } as const;
  const stage = { no: 0, kind: "map", lane: LANE, attempts: 3, feeders: [], takesInputs: true, countKnown: true } as const;
  return {
    stages: [{ ...stage, ...(batch === undefined ? {} : { batch }), steps: [{ ...step, emits: "one", output: true, feeds: [] }] }],
  };
}
