import type { Transaction } from "../db/database.ts";
import { sql, type Statement } from "../db/sql.ts";
import { changedTasks } from "./claim.ts";
import { HOLD_MS, takeHold } from "./job-hold.ts";
import { LEASE_MS } from "./lease.ts";
import { FIRST_CURSOR, sharesOf, type RingRow } from "./ring.ts";
import type { ClaimedTask } from "./task.ts";

export interface JobClaimOptions {
  readonly workerId: string;
  readonly lanes: readonly string[];
  /** Most tasks to take. */
  readonly want: number;
  /** Of the tasks and the hold; a lease and HOLD_MS unless told. */
  readonly forMs?: number;
}

/** A job in hand, with the first of its tasks. */
export interface JobClaim {
  readonly jobId: string;
  readonly tenantId: string;
  readonly tasks: readonly ClaimedTask[];
  /** When, by the database's clock, as its text. */
  readonly claimedAt: string;
  /** Stages whose tasks are runs: the job is given back after one. */
  readonly runStages: readonly number[];
}

/** Why a job is not to be had. `nothing_ready`: what is left of it waits, or runs elsewhere, or its tenant is at its cap. */
export type NotToBeHad = "unknown" | "ended" | "held" | "nothing_ready";

/** Takes this very job, and as many of its ready tasks as are wanted. */
export async function claimJob(transaction: Transaction, jobId: string, options: JobClaimOptions): Promise<JobClaim | NotToBeHad> {
  const [job] = await transaction.query<{ status: string } & RingRow>(sql`
    SELECT jobs.status, tenants.id AS "tenantId", tenants.weight, tenants.max_running AS "maxRunning"
    FROM jobs JOIN tenants ON tenants.id = jobs.tenant_id WHERE jobs.id = ${jobId}::uuid`);
  if (!job) return "unknown";
  if (job.status !== "queued" && job.status !== "running") return "ended";
  const { forMs = HOLD_MS, workerId } = options;
  if (!(await takeHold(transaction, { jobId, tenantId: job.tenantId, workerId, forMs }))) return "held";
  return (await claimHeld(transaction, { ...options, jobId, tenant: job })) ?? "nothing_ready";
}

/** Takes tasks of a job whose hold was taken in the same transaction; undefined: there are none, and the caller must roll back. */
export async function claimHeld(
  transaction: Transaction,
  job: JobClaimOptions & { readonly jobId: string; readonly tenant: RingRow },
): Promise<JobClaim | undefined> {
  const { jobId, tenant, lanes, want } = job;
  // A ring of one: what is left under the tenant's cap, counted under the same lock as by every other claim.
  const [share] = await sharesOf(transaction, [tenant], { cursor: FIRST_CURSOR, want });
  if (!share) return undefined;
  const { tenantId } = tenant;
  const tasks = await claimTasksOf(transaction, { ...job, want: Math.min(want, share.tasks), tenantId, lanes });
  if (tasks.length === 0) return undefined;
  return { jobId, tenantId, tasks, ...(await claimedNow(transaction, jobId)) };
}

/** What else is to be known of a job that was claimed in this transaction. */
export async function claimedNow(transaction: Transaction, jobId: string): Promise<Pick<JobClaim, "claimedAt" | "runStages">> {
  const [row] = await transaction.query<{ now: string; stages: number[] | null }>(sql`
    SELECT now()::text AS now, (
      SELECT array_agg((stage->>'no')::int) FROM job_specs, jsonb_array_elements(plan->'stages') AS stage
      WHERE job_id = ${jobId}::uuid AND stage->'batch'->>'sequential' = 'true') AS stages`);
  return { claimedAt: row?.now ?? "", runStages: row?.stages ?? [] };
}

/** Which of a job's tasks belong to the run that is in hand; all of them where it has no runs, or none has begun. */
export interface RunInHand {
  readonly stages: readonly number[];
  readonly taskIds: readonly string[];
  /** Tasks made later are what became of it: halves of a batch that was split, entries that are tried again alone. */
  readonly since: string;
}

export interface TasksOfJob extends JobClaimOptions {
  readonly jobId: string;
  readonly tenantId: string;
  readonly run?: RunInHand | undefined;
}

export async function claimTasksOf(transaction: Transaction, options: TasksOfJob): Promise<ClaimedTask[]> {
  const { workerId, want, forMs = LEASE_MS } = options;
  return await changedTasks(
    transaction,
    sql`
      UPDATE tasks SET status = 'running', epoch = epoch + 1, worker_id = ${workerId}::uuid, started_at = now(),
        lease_until = now() + ${forMs} * interval '1 millisecond'
      WHERE id = ANY(ARRAY(
        SELECT id FROM tasks WHERE ${openTasks(options)} AND NOT backing_off ORDER BY rank, id LIMIT ${want} FOR UPDATE SKIP LOCKED))`,
  );
}

/** What there is to do in a job for the worker that holds it. */
export interface LeftToDo {
  /** Until the next task that it may take, ms: 0 where one is ready, more where all back off; undefined where there is none. */
  readonly nextMs: number | undefined;
  /** Tasks that it runs. */
  readonly mine: number;
}

/** What others run, and what only waits for others, is not left. */
export async function leftToDo(transaction: Transaction, options: TasksOfJob): Promise<LeftToDo> {
  const [row] = await transaction.query<{ ms: number | null; mine: number }>(sql`
    SELECT (extract(epoch FROM min(CASE WHEN backing_off THEN run_at ELSE now() END) FILTER (WHERE status = 'ready') - now()) * 1000)::float8 AS ms,
      count(*) FILTER (WHERE status = 'running') AS mine
    FROM tasks
    WHERE (${openTasks(options)}) OR (job_id = ${options.jobId}::uuid AND status = 'running' AND worker_id = ${options.workerId}::uuid)`);
  return { nextMs: row?.ms === null || row === undefined ? undefined : Math.max(0, row.ms), mine: row?.mine ?? 0 };
}

function openTasks({ jobId, tenantId, lanes, run }: TasksOfJob): Statement {
  const ofRun = run
    ? sql`AND (stage <> ALL(${run.stages}::int[]) OR id = ANY(${run.taskIds}::uuid[]) OR created_at > ${run.since}::timestamptz)`
    : sql``;
  return sql`job_id = ${jobId}::uuid AND tenant_id = ${tenantId}::uuid AND lane = ANY(${lanes}::text[]) AND status = 'ready' ${ofRun}`;
}

/** What became of a job's tasks since it was claimed. */
export interface JobSince {
  readonly status: string;
  /** Items that died, and reduces. */
  readonly dead: number;
}

export async function jobSince(transaction: Transaction, { jobId, claimedAt }: Pick<JobClaim, "jobId" | "claimedAt">): Promise<JobSince> {
  const [row] = await transaction.query<JobSince>(sql`
    SELECT status, (
      (SELECT count(*) FROM item_exceptions WHERE job_id = jobs.id AND status = 'dead' AND created_at >= ${claimedAt}::timestamptz) +
      (SELECT count(*) FROM tasks WHERE job_id = jobs.id AND kind <> 'map' AND status = 'dead' AND finished_at >= ${claimedAt}::timestamptz)
    ) AS dead
    FROM jobs WHERE id = ${jobId}::uuid`);
  return row ?? { status: "deleted", dead: 0 };
}
