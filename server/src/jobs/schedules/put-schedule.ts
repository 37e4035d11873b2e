import { encodeId } from "@filemill/contract/ids.ts";
import type { ScheduleResource } from "@filemill/contract/schedules.ts";
import { v7 as uuidv7 } from "uuid";
import type { Database, Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { notFound, Problem } from "../../errors.ts";
import { failpoint } from "../../failpoint.ts";
import type { Catalogue } from "../../processors/catalogue.ts";
import { appendAudit } from "../../record/audit.ts";
import { readCron } from "./cron.ts";
import { checkedOrder, type ScheduleOrder } from "./order.ts";
import {
  countSchedules,
  findSchedule,
  insertSchedule,
  lockSchedule,
  replaceSchedule,
  scheduleResource,
  type ScheduleDefinition,
  type ScheduleKey,
  type ScheduleRow,
} from "./store.ts";

/** Of a tenant: what its schedules may cost the rounds is limited by their number. */
export const MAX_SCHEDULES = 1_000;

interface PutSchedule {
  readonly tenantId: string;
  readonly actor: string;
  readonly request: ScheduleOrder;
  /** Which schedule; by an id, it must be there. `new`: there must be none of that name yet. */
  readonly key: ScheduleKey;
  readonly mode: "new" | "new_or_replaced";
}

/**
 * Makes a schedule, or replaces what it is and keeps what has become of it. Due times start to count now; of a schedule whose
 * times stay the same those that are owed stay owed. Throws Problem validation_failed, not_found for what it names, conflict.
 */
export async function putSchedule(
  services: { database: Database; catalogue: Catalogue },
  put: PutSchedule,
): Promise<{ resource: ScheduleResource; created: boolean }> {
  const { tenantId, actor, key } = put;
  return await services.database.asTenant(tenantId, async (transaction) => {
    // Two that make schedules take turns, so that there is one of a name and no more than may be.
    await transaction.execute(sql`SELECT pg_advisory_xact_lock(hashtextextended(${`schedules ${tenantId}`}, 0))`);
    const before = await lockSchedule(transaction, key);
    const id = before?.id ?? uuidv7();
    if (before && put.mode === "new") throw new Problem("conflict", `There is a schedule "${before.name}" already; PUT replaces it.`);
    if (!before && "id" in key) throw notFound("schedule", encodeId("schedule", key.id));
    if (!before && (await countSchedules(transaction)) >= MAX_SCHEDULES) {
      throw new Problem("conflict", `There are ${MAX_SCHEDULES} schedules, which is as many as a tenant may have. Delete some.`);
    }
    const definition = await definitionOf(transaction, services.catalogue, { put, before });
    await requireFreeName(transaction, { id, name: definition.name });
    const nextRunAt = await nextRun(transaction, definition, before);
    if (before) await replaceSchedule(transaction, { ...definition, id, nextRunAt });
    else await insertSchedule(transaction, { ...definition, id, tenantId, nextRunAt });
    const object = encodeId("schedule", id);
    await appendAudit(transaction, {
      tenantId,
      actor,
      action: "schedule.put",
      object,
      detail: { name: definition.name, cron: definition.cron },
    });
    const row = await findSchedule(transaction, { id });
    if (!row) throw new Error(`schedule ${id} was not stored`);
    await failpoint("schedule-put-before-commit");
    return { resource: scheduleResource(row), created: !before };
  });
}

async function definitionOf(
  transaction: Transaction,
  catalogue: Catalogue,
  { put, before }: { readonly put: PutSchedule; readonly before: ScheduleRow | undefined },
): Promise<ScheduleDefinition> {
  const { request, tenantId } = put;
  const { cron, time_zone: timeZone = "UTC", missed = "run_once", overlap = "allow", paused = false } = request;
  const name = request.name ?? before?.name ?? ("name" in put.key ? put.key.name : "");
  readCron({ cron, timeZone });
  const order = await checkedOrder(transaction, catalogue, { tenantId, request });
  return { name, order, cron: cron.trim(), timeZone, missed, overlap, paused };
}

async function requireFreeName(transaction: Transaction, { id, name }: { id: string; name: string }): Promise<void> {
  const other = await findSchedule(transaction, { name });
  if (other && other.id !== id) throw new Problem("conflict", `There is another schedule "${name}" already.`);
}

/** Whoever stores the same definition again, as deployments do, must not lose a due time for it. */
async function nextRun(transaction: Transaction, schedule: ScheduleDefinition, before: ScheduleRow | undefined): Promise<Date | null> {
  if (schedule.paused) return null;
  if (before?.nextRunAt && before.cron === schedule.cron && before.timeZone === schedule.timeZone) return before.nextRunAt;
  const [clock] = await transaction.query<{ now: Date }>(sql`SELECT now() AS now`);
  return (clock && readCron(schedule).after(clock.now)) ?? null;
}
