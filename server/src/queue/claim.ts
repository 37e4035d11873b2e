import type { TaskKind } from "@filemill/contract/status.ts";
import type { Transaction } from "../db/database.ts";
import { sql, type Statement } from "../db/sql.ts";
import { LEASE_MS } from "./lease.ts";
import type { ClaimedTask } from "./task.ts";

/** Tenants that one claim may visit; more come with the next claim, from where the cursor stopped. */
const RING_TENANTS = 16;

export interface ClaimOptions {
  readonly workerId: string;
  readonly lane: string;
  /** Most tasks to take. */
  readonly want: number;
  /** The tenant served last by this worker in this lane; the ring starts behind it. */
  readonly cursor: string;
}

export interface Claim {
  readonly tasks: readonly ClaimedTask[];
  readonly cursor: string;
}

export const FIRST_CURSOR = "00000000-0000-0000-0000-000000000000";

/**
 * Takes ready tasks of a lane for a worker, fairly between tenants, each with a new epoch and a lease of LEASE_MS by the
 * database's clock.
 *
 * Fairness is a ring: from the worker's own cursor on, the next tenants that have ready tasks are found by skipping
 * through the ready index (one index descent a tenant, however many tasks wait), and `want` is divided among them by
 * weight. There is no shared fairness row. Priority orders a tenant's own tasks and nothing else. A tenant with a cap is
 * counted under a lock on its row, because two claims at once would both see room for the last task.
 */
export async function claim(transaction: Transaction, options: ClaimOptions): Promise<Claim> {
  const ring = await readyTenants(transaction, options);
  if (ring.length === 0) return { tasks: [], cursor: options.cursor };
  const shares = await dividedShares(transaction, ring, options);
  const tasks = shares.length === 0 ? [] : await take(transaction, shares, options);
  return { tasks, cursor: servedLast({ ring, shares, tasks, want: options.want }) ?? options.cursor };
}

interface RingRow {
  readonly tenant_id: string;
  readonly weight: number;
  readonly max_running: number | null;
}

async function readyTenants(transaction: Transaction, { lane, cursor, want }: ClaimOptions): Promise<RingRow[]> {
  return await transaction.query<RingRow>(sql`
    WITH RECURSIVE ring(tenant_id, place, wrapped) AS (
      SELECT ${cursor}::uuid, 0, false
      UNION ALL
      SELECT next.tenant_id, ring.place + 1, next.wrapped
      FROM ring CROSS JOIN LATERAL (
        (SELECT tenant_id, ring.wrapped FROM tasks
          WHERE lane = ${lane} AND status = 'ready' AND NOT backing_off AND tenant_id > ring.tenant_id
            AND (NOT ring.wrapped OR tenant_id <= ${cursor}::uuid)
          ORDER BY tenant_id LIMIT 1)
        UNION ALL
        (SELECT tenant_id, true FROM tasks
          WHERE lane = ${lane} AND status = 'ready' AND NOT backing_off AND NOT ring.wrapped AND tenant_id <= ${cursor}::uuid
          ORDER BY tenant_id LIMIT 1)
        LIMIT 1) next
      WHERE ring.place < ${Math.min(want, RING_TENANTS)}::int
    )
    SELECT ring.tenant_id, tenants.weight, tenants.max_running
    FROM ring CROSS JOIN LATERAL (SELECT weight, max_running FROM tenants WHERE id = ring.tenant_id) tenants
    WHERE place > 0 ORDER BY place`);
}

interface Share {
  readonly tenantId: string;
  readonly tasks: number;
}

async function dividedShares(transaction: Transaction, ring: readonly RingRow[], { want }: ClaimOptions): Promise<Share[]> {
  const weights = ring.reduce((sum, row) => sum + row.weight, 0);
  const room = await roomUnderCaps(transaction, ring);
  return ring
    .map((row) => ({
      tenantId: row.tenant_id,
      tasks: Math.min(Math.ceil((want * row.weight) / weights), room.get(row.tenant_id) ?? want),
    }))
    .filter((share) => share.tasks > 0);
}

/**
 * Free places of the tenants that have a cap; a tenant that another claim is counting right now has none for us. The lock
 * is not FOR UPDATE, because every row inserted with a reference to the tenant (a file, a job) holds a key-share lock on
 * it: with that, a tenant that uploads all the time would hardly ever be served.
 */
async function roomUnderCaps(transaction: Transaction, ring: readonly RingRow[]): Promise<Map<string, number>> {
  const capped = ring.filter((row) => row.max_running !== null).map((row) => row.tenant_id);
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

interface ClaimedRow {
  readonly id: string;
  readonly epoch: number;
  readonly tenant_id: string;
  readonly job_id: string;
  readonly stage: number;
  readonly kind: TaskKind;
  readonly lane: string;
  readonly rank: number;
  readonly attempts: number;
  readonly losses: number;
  readonly max_attempts: number;
  readonly tree_level: number | null;
  readonly tree_node: number | null;
  readonly tree_root: boolean | null;
  readonly waited_ms: number;
  readonly ordinals: number[];
  readonly parents: number[];
  readonly files: string;
  readonly from_steps: string[];
}

/**
 * `= ANY(ARRAY(SELECT …))` and the laterals keep the plan on the ready index and the primary key even with the statistics
 * of an empty table; a plain join drained a quarter as fast.
 */
async function take(transaction: Transaction, shares: readonly Share[], { workerId, lane, want }: ClaimOptions): Promise<ClaimedTask[]> {
  return await changedTasks(
    transaction,
    sql`
      UPDATE tasks SET status = 'running', epoch = epoch + 1, worker_id = ${workerId}::uuid, started_at = now(),
        lease_until = now() + ${LEASE_MS} * interval '1 millisecond'
      WHERE id = ANY(ARRAY(
        SELECT picked.id
        FROM unnest(${shares.map((share) => share.tenantId)}::uuid[], ${shares.map((share) => share.tasks)}::int[]) AS share(tenant_id, tasks)
        CROSS JOIN LATERAL (
          SELECT id FROM tasks
          WHERE lane = ${lane} AND tenant_id = share.tenant_id AND status = 'ready' AND NOT backing_off
          ORDER BY rank, id LIMIT share.tasks FOR UPDATE SKIP LOCKED) picked
        LIMIT ${want}))`,
  );
}

interface Round {
  readonly ring: readonly RingRow[];
  readonly shares: readonly Share[];
  readonly tasks: readonly ClaimedTask[];
  readonly want: number;
}

/**
 * Where the next ring starts: behind the last tenant whose share was handed out whole. Shares are rounded up, so that
 * `want` can run out before the ring does; those it did not reach must come first the next time, or three tenants that
 * share four places would be two that are served and one that never is.
 */
function servedLast({ ring, shares, tasks, want }: Round): string | undefined {
  if (tasks.length < want) return ring.at(-1)?.tenant_id;
  const shareOf = new Map(shares.map((share) => [share.tenantId, share.tasks]));
  let left = want;
  let last: string | undefined;
  for (const { tenant_id: tenantId } of ring) {
    const taken = tasks.filter((task) => task.tenantId === tenantId).length;
    left -= taken;
    if (left === 0 && taken < (shareOf.get(tenantId) ?? 0)) return last;
    last = tenantId;
    if (left === 0) return last;
  }
  return last;
}

/** Runs an UPDATE of tasks and gives the changed ones with their inputs, in the order in which they are handed out. */
export async function changedTasks(transaction: Transaction, update: Statement): Promise<ClaimedTask[]> {
  const rows = await transaction.query<ClaimedRow>(sql`
    WITH claimed AS (
      ${update}
      RETURNING id, epoch, tenant_id, job_id, stage, kind, lane, rank, attempts, losses, max_attempts, tree_level, tree_node, tree_root,
        (extract(epoch FROM now() - run_at) * 1000)::float8 AS waited_ms
    )
    SELECT claimed.*, inputs.ordinals, inputs.parents, inputs.files::text AS files, inputs.from_steps
    FROM claimed CROSS JOIN LATERAL (SELECT * FROM task_inputs WHERE task_id = claimed.id) inputs
    ORDER BY rank, id`);
  return rows.map(claimedTask);
}

function claimedTask(row: ClaimedRow): ClaimedTask {
  const files = row.files.slice(1, -1).split(",");
  return {
    id: row.id,
    epoch: row.epoch,
    tenantId: row.tenant_id,
    jobId: row.job_id,
    stage: row.stage,
    kind: row.kind,
    lane: row.lane,
    priority: 0 - row.rank,
    attempts: row.attempts,
    losses: row.losses,
    maxAttempts: row.max_attempts,
    tree:
      row.tree_level === null || row.tree_node === null
        ? undefined
        : { level: row.tree_level, node: row.tree_node, root: row.tree_root === true },
    entries: row.ordinals.map((ordinal, index) => ({
      ordinal,
      parent: row.parents[index] ?? -1,
      fileId: files[index] ?? "",
      from: row.from_steps[index] ?? "",
    })),
    waitedMs: Math.max(0, row.waited_ms),
  };
}
