import type { TaskKind } from "@filemill/contract/status.ts";
import type { Transaction } from "../db/database.ts";
import { sql, type Statement } from "../db/sql.ts";
import { LEASE_MS } from "./lease.ts";
import { readyTenants, sharesOf, turnAfter, type Cursor, type Share } from "./ring.ts";
import type { ClaimedTask } from "./task.ts";

export interface ClaimOptions {
  readonly workerId: string;
  readonly lane: string;
  /** Free places: what the weights of the tasks may come to. One that takes more is taken all the same where it is the first. */
  readonly want: number;
  /** Places of the worker, which is the most that a task weighs there. */
  readonly slots?: number | undefined;
  /** Where this worker's last claim of this lane stopped; FIRST_CURSOR at the start. */
  readonly cursor: Cursor;
}

export interface Claim {
  readonly tasks: readonly ClaimedTask[];
  readonly cursor: Cursor;
}

/** Tenants that one look may visit; more come with the next claim, from where the cursor stopped. */
const RING_TENANTS = 16;
/** Looks that one claim takes where it meets only tenants that are at their cap. */
const MAX_LOOKS = 64;

/**
 * Takes ready tasks of a lane for a worker, fairly between tenants (ring.ts), each with a new epoch and a lease of
 * LEASE_MS by the database's clock. Priority orders a tenant's own tasks and nothing else.
 */
export async function claim(transaction: Transaction, options: ClaimOptions): Promise<Claim> {
  let { cursor } = options;
  for (let look = 0; look < MAX_LOOKS; look++) {
    const tenants = look === 0 ? Math.min(options.want, RING_TENANTS) : RING_TENANTS;
    const ring = await readyTenants(transaction, { lane: options.lane, cursor, tenants });
    if (ring.length === 0) break;
    const shares = await sharesOf(transaction, ring, { cursor, want: options.want });
    const { tasks, cutAt } = shares.length === 0 ? NOTHING : await take(transaction, shares, options);
    cursor = turnAfter({ ring, shares, tasks, want: options.want, cursor, cutAt });
    if (tasks.length > 0) return { tasks, cursor };
  }
  return { tasks: [], cursor };
}

interface Taken {
  readonly tasks: readonly ClaimedTask[];
  /** The tenant whose next task was too heavy for what was left. */
  readonly cutAt: string | undefined;
}

const NOTHING: Taken = { tasks: [], cutAt: undefined };

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
  readonly handbacks: number;
  readonly max_attempts: number;
  readonly weight: number;
  readonly tree_level: number | null;
  readonly tree_node: number | null;
  readonly tree_root: boolean | null;
  readonly waited_ms: number;
  readonly ordinals: number[];
  readonly parents: number[];
  readonly files: string;
  readonly from_steps: string[];
  readonly cut_at: string | null;
}

/**
 * `= ANY(ARRAY(SELECT …))` and the laterals keep the plan on the ready index and the primary key even with the statistics
 * of an empty table; a plain join drained a quarter as fast.
 */
async function take(transaction: Transaction, shares: readonly Share[], { workerId, lane, want, slots }: ClaimOptions): Promise<Taken> {
  const picked = sql`
    picked AS MATERIALIZED (
      SELECT id, tenant_id, number, number = 1 OR sum(least(weight, ${slots ?? null}::int)) OVER (ORDER BY number) <= ${want} AS fits
      FROM (
        SELECT picked.*, row_number() OVER () AS number
        FROM unnest(${shares.map((share) => share.tenantId)}::uuid[], ${shares.map((share) => share.tasks)}::int[]) AS share(tenant_id, tasks)
        CROSS JOIN LATERAL (
          SELECT id, tenant_id, weight FROM tasks
          WHERE lane = ${lane} AND tenant_id = share.tenant_id AND status = 'ready' AND NOT backing_off
          ORDER BY rank, id LIMIT share.tasks FOR UPDATE SKIP LOCKED) picked
        LIMIT ${want}) AS numbered)`;
  const rows = await changedRows(transaction, {
    before: sql`${picked},`,
    update: sql`
      UPDATE tasks SET status = 'running', epoch = epoch + 1, worker_id = ${workerId}::uuid, started_at = now(),
        lease_until = now() + ${LEASE_MS} * interval '1 millisecond'
      WHERE id = ANY(ARRAY(SELECT id FROM picked WHERE fits))`,
    cutAt: sql`(SELECT tenant_id FROM picked WHERE NOT fits ORDER BY number LIMIT 1)`,
  });
  return { tasks: rows.map(claimedTask), cutAt: rows[0]?.cut_at ?? undefined };
}

/** Runs an UPDATE of tasks and gives the changed ones with their inputs, in the order in which they are handed out. */
export async function changedTasks(transaction: Transaction, update: Statement): Promise<ClaimedTask[]> {
  return (await changedRows(transaction, { before: sql``, update, cutAt: sql`NULL` })).map(claimedTask);
}

async function changedRows(
  transaction: Transaction,
  { before, update, cutAt }: { readonly before: Statement; readonly update: Statement; readonly cutAt: Statement },
): Promise<ClaimedRow[]> {
  return await transaction.query<ClaimedRow>(sql`
    WITH ${before} claimed AS (
      ${update}
      RETURNING id, epoch, tenant_id, job_id, stage, kind, lane, rank, attempts, losses, handbacks, max_attempts, weight, tree_level,
        tree_node, tree_root, (extract(epoch FROM now() - run_at) * 1000)::float8 AS waited_ms
    )
    SELECT claimed.*, inputs.ordinals, inputs.parents, inputs.files::text AS files, inputs.from_steps, ${cutAt} AS cut_at
    FROM claimed CROSS JOIN LATERAL (SELECT * FROM task_inputs WHERE task_id = claimed.id) inputs
    ORDER BY rank, id`);
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
    handbacks: row.handbacks,
    maxAttempts: row.max_attempts,
    weight: row.weight,
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
