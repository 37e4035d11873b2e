import { encodeId } from "@filemill/contract/ids.ts";
import type { ScheduleResource } from "@filemill/contract/schedules.ts";
import type { Database, Transaction } from "../../db/database.ts";
import { notFound } from "../../errors.ts";
import { appendAudit } from "../../record/audit.ts";
import { readCron } from "./cron.ts";
import {
  deleteSchedule,
  findSchedule,
  lockSchedule,
  pauseSchedule,
  scheduleResource,
  type ScheduleKey,
  type ScheduleRow,
} from "./store.ts";

export interface Steering {
  readonly tenantId: string;
  readonly actor: string;
  readonly key: ScheduleKey;
}

/** Throws Problem not_found. */
export async function getSchedule(database: Database, { tenantId, key }: Omit<Steering, "actor">): Promise<ScheduleRow> {
  const row = await database.asTenant(tenantId, (transaction) => findSchedule(transaction, key));
  if (!row) throw noSchedule(key);
  return row;
}

/** Due times that pass while it is paused are not made up for; a job that runs goes on. Throws Problem not_found. */
export function pause(database: Database, steering: Steering): Promise<ScheduleResource> {
  return steer(database, steering, { action: "schedule.pause", next: () => null });
}

/** The first due time from now on is the next. Throws Problem not_found. */
export function resume(database: Database, steering: Steering): Promise<ScheduleResource> {
  // One that is not paused keeps what it owes.
  return steer(database, steering, {
    action: "schedule.resume",
    next: (row) => (row.paused ? (readCron(row).after(row.now) ?? null) : row.nextRunAt),
  });
}

/** Jobs that it made stay. Throws Problem not_found. */
export async function removeSchedule(database: Database, steering: Steering): Promise<void> {
  await database.asTenant(steering.tenantId, async (transaction) => {
    const row = await lockSchedule(transaction, steering.key);
    if (!row) throw noSchedule(steering.key);
    await deleteSchedule(transaction, row.id);
    await note(transaction, steering, { action: "schedule.delete", row });
  });
}

async function steer(
  database: Database,
  steering: Steering,
  change: { readonly action: "schedule.pause" | "schedule.resume"; readonly next: (row: ScheduleRow) => Date | null },
): Promise<ScheduleResource> {
  return await database.asTenant(steering.tenantId, async (transaction) => {
    const row = await lockSchedule(transaction, steering.key);
    if (!row) throw noSchedule(steering.key);
    const paused = change.action === "schedule.pause";
    const nextRunAt = change.next(row);
    await pauseSchedule(transaction, { id: row.id, paused, nextRunAt });
    if (row.paused !== paused) await note(transaction, steering, { action: change.action, row });
    return scheduleResource({ ...row, paused, nextRunAt });
  });
}

async function note(
  transaction: Transaction,
  { tenantId, actor }: Steering,
  { action, row }: { readonly action: string; readonly row: ScheduleRow },
): Promise<void> {
  await appendAudit(transaction, { tenantId, actor, action, object: encodeId("schedule", row.id), detail: { name: row.name } });
}

export function noSchedule(key: ScheduleKey): Error {
  return notFound("schedule", "id" in key ? encodeId("schedule", key.id) : key.name);
}
