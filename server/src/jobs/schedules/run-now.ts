import { encodeId } from "@filemill/contract/ids.ts";
import type { JobAccepted } from "@filemill/contract/jobs.ts";
import type { Database } from "../../db/database.ts";
import type { Catalogue } from "../../processors/catalogue.ts";
import { hashRequest, withIdempotency } from "../idempotency.ts";
import { runNow } from "./run-schedule.ts";
import { noSchedule, type Steering } from "./steer-schedule.ts";
import { lockSchedule } from "./store.ts";

/**
 * Makes a job of a schedule because somebody asks, whatever the time, the job before it or a pause say; at most once for an
 * Idempotency-Key. Throws Problem not_found, and as an order of the same job does.
 */
export async function runScheduleNow(
  services: { database: Database; catalogue: Catalogue },
  request: Steering & { readonly idempotencyKey: string | undefined },
): Promise<{ answer: JobAccepted; lanes: ReadonlySet<string> }> {
  const { tenantId, actor, key, idempotencyKey } = request;
  const idempotent = { tenantId, key: idempotencyKey, requestHash: hashRequest({ call: "POST /schedules/run", ...key }) };
  let lanes: ReadonlySet<string> = new Set();
  const { body } = await withIdempotency<JobAccepted>(services.database, idempotent, async (transaction) => {
    const schedule = await lockSchedule(transaction, key);
    if (!schedule) throw noSchedule(key);
    const job = await runNow(transaction, services.catalogue, { schedule, dueAt: schedule.now, actor });
    ({ lanes } = job);
    const answer: JobAccepted = { job_id: encodeId("job", job.jobId), status: "queued", estimated_completion: null, files: job.files };
    return { status: 202, body: answer };
  });
  return { answer: body, lanes };
}
