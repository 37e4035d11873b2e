import { encodeId } from "@filemill/contract/ids.ts";
import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { Problem } from "../../errors.ts";
import type { Catalogue } from "../../processors/catalogue.ts";
import { appendEvents } from "../../record/events.ts";
import { placeOrder, type PlacedJob } from "../place-order.ts";
import { recordRun, type ScheduleRow } from "./store.ts";

/** Who stands in the audit log, where no person asked. */
const SYSTEM = "system";

/**
 * The job of one due time, inside a transaction of the tenant that holds the schedule. A job that can't be made (the pipeline is
 * gone, a file was deleted) is the schedule's error, and an event once for each new reason; the schedule goes on.
 */
export async function runDue(
  transaction: Transaction,
  catalogue: Catalogue,
  { schedule, dueAt }: { readonly schedule: ScheduleRow; readonly dueAt: Date },
): Promise<ReadonlySet<string>> {
  const { id } = schedule;
  if (schedule.overlap === "skip" && (await isLastOpen(transaction, schedule))) {
    await recordRun(transaction, { id, dueAt, outcome: "skipped", jobId: undefined, error: undefined });
    return new Set();
  }
  try {
    const job = await runNow(transaction, catalogue, { schedule, dueAt, actor: SYSTEM });
    return job.lanes;
  } catch (error) {
    // It is thrown before anything is written, so that the transaction is still good.
    if (!(error instanceof Problem)) throw error;
    await recordFailure(transaction, { schedule, dueAt, error });
    return new Set();
  }
}

/** As runDue, whatever runs, and as whoever asks. Throws Problem as placeOrder does. */
export async function runNow(
  transaction: Transaction,
  catalogue: Catalogue,
  { schedule, dueAt, actor }: { readonly schedule: ScheduleRow; readonly dueAt: Date; readonly actor: string },
): Promise<PlacedJob> {
  const { id, tenantId, order } = schedule;
  const cause = { schedule: encodeId("schedule", id), due_at: dueAt.toISOString() };
  const job = await placeOrder(transaction, catalogue, { ...order, tenantId, actor, metadata: { ...order.metadata, ...cause }, cause });
  await recordRun(transaction, { id, dueAt, outcome: "started", jobId: job.jobId, error: undefined });
  return job;
}

/** Of a due time for which no job could be made. */
export async function recordFailure(
  transaction: Transaction,
  { schedule, dueAt, error }: { readonly schedule: ScheduleRow; readonly dueAt: Date; readonly error: { code: string; message: string } },
): Promise<void> {
  const { id, tenantId, name } = schedule;
  const { code, message } = error;
  await recordRun(transaction, { id, dueAt, outcome: "failed", jobId: undefined, error: { code, message } });
  const isNew = schedule.lastOutcome !== "failed" || schedule.error?.code !== code || schedule.error.message !== message;
  if (!isNew) return;
  const data = { schedule_id: encodeId("schedule", id), name, due_at: dueAt.toISOString(), code, message };
  await appendEvents(transaction, [{ tenantId, type: "schedule.failed", data }]);
}

async function isLastOpen(transaction: Transaction, { tenantId, lastJobId }: ScheduleRow): Promise<boolean> {
  const open = await transaction.query(sql`
    SELECT FROM jobs WHERE id = ${lastJobId}::uuid AND tenant_id = ${tenantId} AND status IN ('queued', 'running')`);
  return open.length > 0;
}
