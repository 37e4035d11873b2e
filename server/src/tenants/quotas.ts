import type { Logger } from "pino";
import { v7 as uuidv7 } from "uuid";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { takeRoom, type Ask, type Room } from "./quota-room.ts";
import { openReservation, quotaExceeded, type Reservation } from "./quota-reservation.ts";
import { foldUsage, MANY_UNFOLDED } from "./usage.ts";

/**
 * Room under the tenants' limits, as this process takes it. Reserved before the bytes come, given back exactly once: by
 * the transaction that records the files (settleReservations), by release(), or, where this process dies, by the end of
 * the lease. A tenant without a limit costs one look at the database in five seconds.
 */
export interface Quotas {
  /** Takes nothing yet. */
  open(tenantId: string): Promise<Reservation>;
  /**
   * For what outlives its request and has a row of its own, such as a resumable upload: `id` is that row's, and the room is
   * kept until `until`, whatever becomes of this process. Asking again for the same id changes the whole amount. Gives it
   * back with settleReservations. Throws Problem quota_exceeded.
   */
  hold(room: HeldRoom): Promise<void>;
  /** After limits were changed through this process; others notice within five seconds. */
  forget(tenantId: string): void;
  /** Stops renewing. What is still reserved ends with its lease. */
  close(): Promise<void>;
}

export interface HeldRoom {
  readonly tenantId: string;
  readonly id: string;
  readonly bytes: number;
  readonly files: number;
  readonly until: Date;
}

export interface QuotasOptions {
  readonly database: Database;
  readonly log: Logger;
  /** Told of every refusal. */
  readonly onRefused?: (() => void) | undefined;
  /** How long the room of a process that died is kept; it renews three times in that time. */
  readonly leaseMs?: number;
}

const LEASE_MS = 30_000;
const LIMITED_KEPT_MS = 5_000;
const MAX_TENANTS_KEPT = 10_000;
const MAX_TOGETHER = 256;

export function openQuotas({ database, log, onRefused, leaseMs = LEASE_MS }: QuotasOptions): Quotas {
  const limited = new Map<string, { readonly at: number; readonly answer: Promise<boolean> }>();
  const lines = new Map<string, Waiting[]>();
  const live = new Set<string>();
  let renewing: Promise<void> = Promise.resolve();
  const timer = setInterval(() => (renewing = renew()), leaseMs / 3);
  timer.unref();

  function isLimited(tenantId: string): Promise<boolean> {
    const known = limited.get(tenantId);
    if (known !== undefined && performance.now() - known.at < LIMITED_KEPT_MS) return known.answer;
    if (limited.size >= MAX_TENANTS_KEPT) limited.clear();
    const answer = hasLimit(database, tenantId);
    limited.set(tenantId, { at: performance.now(), answer });
    answer.catch(() => limited.delete(tenantId));
    return answer;
  }

  /** Undefined where the tenant has no limit any more. Asks that come while the tenant's quota is held share the next turn. */
  function ask(tenantId: string, wanted: Ask): Promise<Room | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<Room | undefined>();
    const waiting = { ask: wanted, resolve, reject };
    const line = lines.get(tenantId);
    if (line !== undefined) line.push(waiting);
    else {
      const started = [waiting];
      lines.set(tenantId, started);
      void serve(tenantId, started);
    }
    return promise;
  }

  /** Never rejects. The tenant's line is there as long as it is served. */
  async function serve(tenantId: string, line: Waiting[]): Promise<void> {
    while (line.length > 0) {
      const together = line.splice(0, MAX_TOGETHER);
      try {
        const asks = together.map((waiting) => waiting.ask);
        const { rooms, unfolded } = await database.asSystem((transaction) => takeRoom(transaction, { tenantId, asks, leaseMs }));
        if (unfolded > MANY_UNFOLDED)
          await foldUsage(database, { tenantId }).catch((err: unknown) => log.warn({ err }, "usage could not be folded"));
        for (const { ask: asked, resolve } of together) resolve(rooms?.get(asked.id));
      } catch (error) {
        for (const { reject } of together) reject(error);
      }
    }
    lines.delete(tenantId);
  }

  async function renew(): Promise<void> {
    if (live.size === 0) return;
    try {
      await database.asSystem((transaction) =>
        transaction.execute(sql`
          UPDATE quota_reservations SET lease_until = now() + ${leaseMs} * interval '1 millisecond'
          WHERE id = ANY(ARRAY(SELECT id FROM quota_reservations WHERE id = ANY(${[...live]}::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED))`),
      );
    } catch (err) {
      log.warn({ err, reservations: live.size }, "reservations could not be renewed; the next try is before their lease ends");
    }
  }

  return {
    async open(tenantId) {
      const id = uuidv7();
      return openReservation({
        id,
        isLimited: await isLimited(tenantId),
        async ask(need, wantBytes) {
          const room = await ask(tenantId, { id, need, wantBytes });
          if (room !== undefined && "granted" in room) live.add(id);
          if (room !== undefined && "refused" in room) onRefused?.();
          return room;
        },
        async drop() {
          live.delete(id);
          await database
            .asSystem((transaction) => transaction.execute(sql`DELETE FROM quota_reservations WHERE id = ${id}::uuid`))
            .catch((err: unknown) => log.warn({ err }, "a reservation could not be given back; it ends with its lease"));
        },
        settled: () => live.delete(id),
      });
    },
    async hold({ tenantId, id, bytes, files, until }) {
      if (!(await isLimited(tenantId))) return;
      const room = await ask(tenantId, { id, need: { bytes, files }, wantBytes: bytes, until });
      if (room === undefined || "granted" in room) return;
      onRefused?.();
      throw quotaExceeded(room.refused);
    },
    forget: (tenantId) => void limited.delete(tenantId),
    async close() {
      clearInterval(timer);
      await renewing;
    },
  };
}

interface Waiting {
  readonly ask: Ask;
  readonly resolve: (room: Room | undefined) => void;
  readonly reject: (error: unknown) => void;
}

async function hasLimit(database: Database, tenantId: string): Promise<boolean> {
  const rows = await database.asSystem((transaction) =>
    transaction.query(sql`
      SELECT FROM tenant_quotas WHERE tenant_id = ${tenantId}::uuid AND (limit_bytes IS NOT NULL OR limit_files IS NOT NULL)`),
  );
  return rows.length > 0;
}
