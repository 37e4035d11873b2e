import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { ClaimedTask } from "./task.ts";

/**
 * Fairness between tenants, as deficit round robin over a ring: from the worker's own cursor on, the next tenants that
 * have ready tasks are found by skipping through the ready index (one index descent a tenant, however many tasks wait).
 * What a claim wants is divided among them by weight; where that is less than one task each, a tenant's turn is worth its
 * weight in tasks. A turn that a claim could not finish goes on with the next one, so that weights also hold for a worker
 * that takes one task at a time. There is no shared fairness row: each worker goes its own rounds.
 */
export interface Cursor {
  /** The ring starts behind this tenant. */
  readonly after: string;
  /** A turn that has begun: the tenant and what it got of it already. */
  readonly turn?: { readonly tenantId: string; readonly taken: number };
}

export const FIRST_CURSOR: Cursor = { after: "00000000-0000-0000-0000-000000000000" };

/** In tasks, where a claim wants less than one for each of the tenants' weights; the others wait for so long at most. */
const LONGEST_TURN = 16;

export interface RingRow {
  readonly tenantId: string;
  readonly weight: number;
  readonly maxRunning: number | null;
}

export async function readyTenants(
  transaction: Transaction,
  { lane, cursor, tenants }: { lane: string; cursor: Cursor; tenants: number },
): Promise<RingRow[]> {
  return await transaction.query<RingRow>(sql`
    WITH RECURSIVE ring(tenant_id, place, wrapped) AS (
      SELECT ${cursor.after}::uuid, 0, false
      UNION ALL
      SELECT next.tenant_id, ring.place + 1, next.wrapped
      FROM ring CROSS JOIN LATERAL (
        (SELECT tenant_id, ring.wrapped FROM tasks
          WHERE lane = ${lane} AND status = 'ready' AND NOT backing_off AND tenant_id > ring.tenant_id
            AND (NOT ring.wrapped OR tenant_id <= ${cursor.after}::uuid)
          ORDER BY tenant_id LIMIT 1)
        UNION ALL
        (SELECT tenant_id, true FROM tasks
          WHERE lane = ${lane} AND status = 'ready' AND NOT backing_off AND NOT ring.wrapped AND tenant_id <= ${cursor.after}::uuid
          ORDER BY tenant_id LIMIT 1)
        LIMIT 1) next
      WHERE ring.place < ${tenants}::int
    )
    SELECT ring.tenant_id AS "tenantId", tenants.weight, tenants.max_running AS "maxRunning"
    FROM ring CROSS JOIN LATERAL (SELECT weight, max_running FROM tenants WHERE id = ring.tenant_id) tenants
    WHERE place > 0 ORDER BY place`);
}

export interface Share {
  readonly tenantId: string;
  /** Most tasks to take now. */
  readonly tasks: number;
  /** Tasks that end the tenant's turn. */
  readonly due: number;
}

/** In ring order; tenants without room under their cap have none. */
export async function sharesOf(
  transaction: Transaction,
  ring: readonly RingRow[],
  claim: { cursor: Cursor; want: number },
): Promise<Share[]> {
  const { cursor, want } = claim;
  const weights = ring.reduce((sum, row) => sum + row.weight, 0);
  const room = await roomUnderCaps(transaction, ring);
  return ring
    .map(({ tenantId, weight }, place) => {
      const taken = place === 0 && cursor.turn?.tenantId === tenantId ? cursor.turn.taken : 0;
      const turn = want < weights ? Math.min(weight, LONGEST_TURN) : Math.ceil((want * weight) / weights);
      const due = Math.max(1, turn - taken);
      return { tenantId, due, tasks: Math.min(due, room.get(tenantId) ?? due) };
    })
    .filter((share) => share.tasks > 0);
}

/**
 * Free places of the tenants that have a cap, counted under a lock on the tenant's row, because two claims at once would
 * both see room for the last task; a tenant that another claim is counting right now has none for us. The lock is not FOR
 * UPDATE, because every row inserted with a reference to the tenant (a file, a job) holds a key-share lock on it: with
 * that, a tenant that uploads all the time would hardly ever be served.
 */
async function roomUnderCaps(transaction: Transaction, ring: readonly RingRow[]): Promise<Map<string, number>> {
  const capped = ring.filter((row) => row.maxRunning !== null).map((row) => row.tenantId);
  const room = new Map<string, number>(capped.map((tenantId) => [tenantId, 0]));
  if (capped.length === 0) return room;
  const locked = await transaction.query<{ id: string }>(
    sql`SELECT id FROM tenants WHERE id = ANY(${capped}::uuid[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED`,
  );
  const rows = await transaction.query<{ id: string; room: number }>(sql`
    SELECT id, max_running - (
        SELECT count(*) FROM (SELECT 1 FROM tasks WHERE status = 'running' AND tenant_id = tenants.id LIMIT tenants.max_running) running
      ) AS room
    FROM tenants WHERE id = ANY(${locked.map((row) => row.id)}::uuid[])`);
  for (const row of rows) room.set(row.id, Number(row.room));
  return room;
}

interface Round {
  readonly ring: readonly RingRow[];
  readonly shares: readonly Share[];
  readonly tasks: readonly ClaimedTask[];
  readonly want: number;
  readonly cursor: Cursor;
  /** The tenant at whose next task the claim stopped, because it was too heavy for what was left. */
  readonly cutAt?: string | undefined;
}

/**
 * Where the next claim goes on: behind the last tenant whose turn has ended, because it got its due, has no more, or is at
 * its cap. Shares add up to more than `want`, so that it can run out inside a turn; those it did not reach come first the
 * next time.
 */
export function turnAfter({ ring, shares, tasks, want, cursor, cutAt }: Round): Cursor {
  const shareOf = new Map(shares.map((share) => [share.tenantId, share]));
  const takenOf = new Map<string, number>();
  for (const task of tasks) takenOf.set(task.tenantId, (takenOf.get(task.tenantId) ?? 0) + 1);
  let left = want;
  let { after } = cursor;
  for (const [place, { tenantId }] of ring.entries()) {
    if (left === 0) break;
    const taken = takenOf.get(tenantId) ?? 0;
    const share = shareOf.get(tenantId);
    left -= taken;
    const hasStopped = left === 0 || tenantId === cutAt;
    if (hasStopped && share && taken < share.tasks) {
      const before = place === 0 && cursor.turn?.tenantId === tenantId ? cursor.turn.taken : 0;
      return taken === 0 ? { after } : { after, turn: { tenantId, taken: before + taken } };
    }
    after = tenantId;
  }
  return { after };
}
