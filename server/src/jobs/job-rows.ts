import type { JobSource } from "@filemill/contract/source.ts";
import type { AfterPolicy } from "@filemill/contract/jobs.ts";
import type { JobStatus } from "@filemill/contract/status.ts";
import type { Transaction } from "../db/database.ts";
import { sql, type Statement } from "../db/sql.ts";
import type { TaskError } from "../queue/task.ts";
import type { StageOfJob } from "./stage-figures.ts";

/** A job with all that its status is told from. */
export interface JobRow {
  readonly id: string;
  readonly status: JobStatus;
  readonly priority: number;
  readonly pipelineName: string;
  readonly pipelineVersion: number | null;
  readonly inputItems: number;
  readonly inputBytes: number;
  readonly createdAt: Date;
  /** With microseconds, for cursors. */
  readonly createdAtText: string;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  /** The database's clock. */
  readonly now: Date;
  readonly metadata: Readonly<Record<string, string>>;
  readonly stages: readonly StageOfJob[];
  /** Where its inputs are collected from, and how many have come. */
  readonly source: SourceRow | null;
  /** What it was to start after. */
  readonly waits: WaitRow | null;
}

interface WaitRow {
  readonly policy: AfterPolicy;
  readonly settled: boolean;
  /** Why it was cancelled instead of started. */
  readonly error: TaskError | null;
  readonly jobs: readonly { readonly id: string; readonly outcome: JobStatus | null }[];
}

interface SourceRow {
  readonly kind: JobSource["kind"];
  readonly listed: number;
  readonly collected: number;
  readonly unchanged: number;
  readonly collected_bytes: number;
}

/** What only tasks know of jobs. */
export interface JobActivity {
  /** Items in running tasks, by job. */
  readonly running: ReadonlyMap<string, number>;
  /** Succeeded nodes of trees that are open, by job and stage. */
  readonly nodesDone: ReadonlyMap<string, ReadonlyMap<number, number>>;
  /** Failure of the first dead task, by job, for those that failed. */
  readonly failures: ReadonlyMap<string, TaskError>;
}

/**
 * Items that open batches of a stage have done, in the statement that reads its counters: of two, the one may see a batch
 * that the other has counted already, or the other way round.
 */
const DONE_IN_TASKS = sql`(
  SELECT coalesce(sum(least(items_done, items)), 0) FROM (
    SELECT items_done, items FROM tasks t
    WHERE t.tenant_id = j.tenant_id AND t.status = 'running' AND t.job_id = r.job_id AND t.stage = r.stage
    UNION ALL
    SELECT items_done, items FROM tasks t WHERE t.job_id = r.job_id AND t.status = 'ready' AND t.epoch > 0 AND t.stage = r.stage) AS begun)`;

/** Jobs that satisfy a condition over `jobs j` and `job_specs s`, newest first. */
export async function readJobs(transaction: Transaction, where: Statement, limit: number): Promise<JobRow[]> {
  return await transaction.query<JobRow>(sql`
    SELECT j.id, j.status, j.priority, j.pipeline_name AS "pipelineName", j.pipeline_version AS "pipelineVersion",
      j.input_items AS "inputItems", j.input_bytes AS "inputBytes", j.created_at AS "createdAt",
      to_char(j.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "createdAtText",
      j.started_at AS "startedAt", j.finished_at AS "finishedAt", now() AS now, s.metadata, stages.stages,
      (SELECT jsonb_build_object('kind', o.kind, 'listed', o.listed, 'collected', o.collected, 'unchanged', o.unchanged,
        'collected_bytes', o.collected_bytes) FROM job_sources o WHERE o.job_id = j.id) AS source,
      (SELECT jsonb_build_object('policy', w.policy, 'settled', w.settled_at IS NOT NULL, 'error', w.error, 'jobs', (
          SELECT jsonb_agg(jsonb_build_object('id', d.after_job_id, 'outcome', d.outcome) ORDER BY d.after_job_id)
          FROM job_dependencies d WHERE d.job_id = w.job_id))
        FROM job_waits w WHERE w.job_id = j.id) AS waits
    FROM jobs j JOIN job_specs s ON s.job_id = j.id
    CROSS JOIN LATERAL (
      SELECT jsonb_agg(jsonb_build_object('stage', r.stage, 'kind', r.kind, 'status', r.status, 'openFeeders', r.open_feeders,
        'itemsIn', r.items_in, 'succeeded', r.items_succeeded, 'skipped', r.items_skipped, 'dead', r.items_dead,
        'moved', r.items_moved, 'inTasks', CASE WHEN r.status = 'open' AND r.kind = 'map' AND r.open_tasks > 0 THEN ${DONE_IN_TASKS} ELSE 0 END, 'steps', jsonb_path_query_array(s.plan, '$.stages[$n].steps[*].name', jsonb_build_object('n', r.stage)),
        'deadTasks', r.dead_tasks, 'leaves', r.leaves,
        'feeders', s.plan->'stages'->r.stage->'feeders', 'fanIn', s.plan->'stages'->r.stage->'fanIn',
        'perInput', s.plan->'stages'->r.stage->'perInput') ORDER BY r.stage) AS stages
      FROM job_stages r WHERE r.job_id = j.id
    ) stages
    WHERE ${where}
    ORDER BY j.created_at DESC, j.id DESC LIMIT ${limit}`);
}

export async function readActivity(transaction: Transaction, tenantId: string, jobs: readonly JobRow[]): Promise<JobActivity> {
  const open = jobs.filter((job) => job.status === "running" || job.status === "queued");
  const reducing = open.filter((job) => job.stages.some((stage) => stage.kind === "tree" && stage.status === "open"));
  const failed = jobs.filter((job) => job.status === "failed");
  return {
    running: await readRunning(transaction, tenantId, open),
    nodesDone: await readNodesDone(transaction, reducing),
    failures: await readFailures(transaction, failed),
  };
}

async function readRunning(transaction: Transaction, tenantId: string, jobs: readonly JobRow[]): Promise<Map<string, number>> {
  if (jobs.length === 0) return new Map();
  const rows = await transaction.query<{ job: string; items: number }>(sql`
    SELECT job_id AS job, sum(items)::bigint AS items FROM tasks
    WHERE tenant_id = ${tenantId} AND status = 'running' AND kind = 'map' AND job_id = ANY(${jobs.map(({ id }) => id)}::uuid[]) GROUP BY job_id`);
  return new Map(rows.map((row) => [row.job, row.items]));
}

/** Nodes have no items, so item_from is -1 and the index of a job's tasks has them together. */
async function readNodesDone(transaction: Transaction, jobs: readonly JobRow[]): Promise<Map<string, Map<number, number>>> {
  if (jobs.length === 0) return new Map();
  const rows = await transaction.query<{ job: string; stage: number; nodes: number }>(sql`
    SELECT job_id AS job, stage, count(*) AS nodes FROM tasks
    WHERE job_id = ANY(${jobs.map(({ id }) => id)}::uuid[]) AND item_from = -1 AND kind = 'tree' AND status = 'succeeded' GROUP BY job_id, stage`);
  const byJob = Map.groupBy(rows, (row) => row.job);
  return new Map([...byJob].map(([job, stages]) => [job, new Map(stages.map((row) => [row.stage, row.nodes]))]));
}

/** The dead item that stands first; a reduce that died counts behind all items, one that never ran behind those. */
async function readFailures(transaction: Transaction, jobs: readonly JobRow[]): Promise<Map<string, TaskError>> {
  if (jobs.length === 0) return new Map();
  const rows = await transaction.query<{ job: string; error: TaskError }>(sql`
    SELECT given.id AS job, first.error
    FROM unnest(${jobs.map(({ id }) => id)}::uuid[]) AS given(id)
    CROSS JOIN LATERAL (
      SELECT error FROM (
        (SELECT 0 AS place, jsonb_build_object('class', NULL, 'code', code, 'step', step, 'message', message) AS error
          FROM item_exceptions WHERE job_id = given.id AND status = 'dead' ORDER BY ordinal LIMIT 1)
        UNION ALL
        (SELECT CASE error->>'code' WHEN 'input_dead' THEN 2 ELSE 1 END, error
          FROM tasks WHERE job_id = given.id AND item_from = -1 AND status = 'dead' ORDER BY 1, id LIMIT 1)
      ) failures ORDER BY place LIMIT 1
    ) first`);
  return new Map(rows.map((row) => [row.job, row.error]));
}
