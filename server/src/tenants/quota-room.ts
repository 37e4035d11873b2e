import { encodeId } from "@filemill/contract/ids.ts";
import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { appendEvents } from "../record/events.ts";
import { readUsage, type Amount, type TenantLimits, type Usage } from "./usage.ts";

/** What one reservation is to hold in all; what it holds already is part of it. */
export interface Ask {
  readonly id: string;
  readonly need: Amount;
  /** As much as this, where there is room. */
  readonly wantBytes: number;
  /** Left out: the lease of the process that asks. */
  readonly until?: Date | undefined;
}

/** Why there is no room. */
export interface Refusal {
  readonly limits: TenantLimits;
  readonly used: Amount;
  readonly reserved: Amount;
}

export type Room = { readonly granted: Amount } | { readonly refused: Refusal };

export interface TakenRoom {
  /** By the id of the ask; undefined where the tenant has no limit, and nothing was written. */
  readonly rooms: ReadonlyMap<string, Room> | undefined;
  /** As in Usage. */
  readonly unfolded: number;
}

interface Asking {
  readonly tenantId: string;
  readonly asks: readonly Ask[];
  readonly leaseMs: number;
}

/**
 * Gives room under a tenant's limit, as the system; all asks of one tenant that wait together share the transaction.
 *
 * The lock on the quota's row comes first and in a statement of its own: what is counted after it was committed by all who
 * had the lock before, so that used + reserved never gets above the limit. Files that are recorded turn reserved into used
 * without the lock, in one commit, which leaves the sum as it is. Reservations need not survive a crash of the database,
 * because who finds his gone asks again, so that nothing here waits for the disk.
 */
export async function takeRoom(transaction: Transaction, asking: Asking): Promise<TakenRoom> {
  const { tenantId, asks } = asking;
  const quota = await lockQuota(transaction, tenantId);
  if (quota === undefined || (quota.bytes === null && quota.files === null)) return { rooms: undefined, unfolded: 0 };
  const held = await heldBy(transaction, asks);
  let usage = await readUsage(transaction, tenantId);
  let decided = decide(asks, { limits: quota, usage, held });
  const isShort = [...decided.rooms.values()].some((room) => "refused" in room);
  if (isShort && (await dropLapsed(transaction, asking)) > 0) {
    usage = await readUsage(transaction, tenantId);
    decided = decide(asks, { limits: quota, usage, held });
  }
  await writeReservations(transaction, asking, decided.rooms);
  await warn(transaction, tenantId, { limits: quota, used: usage.used, reserved: decided.reserved, warned: quota.warned });
  return { rooms: decided.rooms, unfolded: usage.unfolded };
}

/** Locked to the end of the transaction. */
async function lockQuota(transaction: Transaction, tenantId: string): Promise<(TenantLimits & { warned: number }) | undefined> {
  const [row] = await transaction.query<TenantLimits & { warned: number }>(sql`
    SELECT limit_bytes AS bytes, limit_files AS files, warned_percent AS warned, set_config('synchronous_commit', 'off', true)
    FROM tenant_quotas WHERE tenant_id = ${tenantId}::uuid FOR UPDATE`);
  return row && { bytes: row.bytes, files: row.files, warned: row.warned };
}

/** Locked, so that nobody drops them meanwhile. */
async function heldBy(transaction: Transaction, asks: readonly Ask[]): Promise<ReadonlyMap<string, Amount>> {
  const rows = await transaction.query<Amount & { id: string }>(sql`
    SELECT id, bytes, files FROM quota_reservations WHERE id = ANY(${asks.map(({ id }) => id)}::uuid[]) ORDER BY id FOR UPDATE`);
  return new Map(rows.map(({ id, bytes, files }) => [id, { bytes, files }]));
}

/** In the order of the asks; one that does not fit does not keep out a smaller one behind it. */
function decide(
  asks: readonly Ask[],
  given: { readonly limits: TenantLimits; readonly usage: Usage; readonly held: ReadonlyMap<string, Amount> },
): { rooms: Map<string, Room>; reserved: Amount } {
  const { limits, usage } = given;
  const held = new Map(given.held);
  const rooms = new Map<string, Room>();
  let { reserved } = usage;
  for (const { id, need, wantBytes } of asks) {
    const own = held.get(id) ?? { bytes: 0, files: 0 };
    const freeBytes = (limits.bytes ?? Infinity) - usage.used.bytes - (reserved.bytes - own.bytes);
    const freeFiles = (limits.files ?? Infinity) - usage.used.files - (reserved.files - own.files);
    if (need.bytes > freeBytes || need.files > freeFiles) {
      rooms.set(id, { refused: { limits: { bytes: limits.bytes, files: limits.files }, used: usage.used, reserved } });
      continue;
    }
    const granted = { bytes: Math.max(need.bytes, Math.min(wantBytes, freeBytes)), files: need.files };
    reserved = { bytes: reserved.bytes + granted.bytes - own.bytes, files: reserved.files + granted.files - own.files };
    held.set(id, granted);
    rooms.set(id, { granted });
  }
  return { rooms, reserved };
}

/** Of processes that died. One that somebody is recording at this moment is locked, and stays. Gives how many. */
async function dropLapsed(transaction: Transaction, { tenantId, asks }: Asking): Promise<number> {
  return await transaction.execute(sql`
    DELETE FROM quota_reservations WHERE id = ANY(ARRAY(
      SELECT id FROM quota_reservations
      WHERE tenant_id = ${tenantId}::uuid AND lease_until < now() AND id <> ALL(${asks.map(({ id }) => id)}::uuid[])
      FOR UPDATE SKIP LOCKED))`);
}

async function writeReservations(
  transaction: Transaction,
  { tenantId, asks, leaseMs }: Asking,
  rooms: ReadonlyMap<string, Room>,
): Promise<void> {
  const until = new Map(asks.map((ask) => [ask.id, ask.until]));
  const granted = [...rooms].flatMap(([id, room]) => ("granted" in room ? [{ id, ...room.granted }] : []));
  if (granted.length === 0) return;
  await transaction.execute(sql`
    INSERT INTO quota_reservations (id, tenant_id, bytes, files, lease_until)
    SELECT id, ${tenantId}::uuid, bytes, files, coalesce(until, now() + ${leaseMs} * interval '1 millisecond')
    FROM unnest(
      ${granted.map(({ id }) => id)}::uuid[], ${granted.map(({ bytes }) => bytes)}::bigint[], ${granted.map(({ files }) => files)}::bigint[],
      ${granted.map(({ id }) => until.get(id) ?? null)}::timestamptz[]
    ) AS given(id, bytes, files, until)
    ON CONFLICT (id) DO UPDATE SET bytes = excluded.bytes, files = excluded.files, lease_until = excluded.lease_until`);
}

const WARN_AT_PERCENT = [80, 95] as const;

/** Once for each crossing: the mark goes down when the tenant is found below it again. */
async function warn(transaction: Transaction, tenantId: string, state: Refusal & { readonly warned: number }): Promise<void> {
  const { limits, used, reserved, warned } = state;
  const share = Math.max(shareOf(limits.bytes, used.bytes + reserved.bytes), shareOf(limits.files, used.files + reserved.files));
  const percent = WARN_AT_PERCENT.findLast((level) => share * 100 >= level) ?? 0;
  if (percent === warned) return;
  await transaction.execute(sql`UPDATE tenant_quotas SET warned_percent = ${percent} WHERE tenant_id = ${tenantId}::uuid`);
  if (percent < warned) return;
  const data = { tenant_id: encodeId("tenant", tenantId), percent, limits: { bytes: limits.bytes, files: limits.files }, used, reserved };
  await appendEvents(transaction, [{ tenantId, type: "quota.warning", data }]);
}

/** A limit of nothing is full. */
function shareOf(limit: number | null, taken: number): number {
  if (limit === null) return 0;
  return limit === 0 ? 1 : taken / limit;
}
