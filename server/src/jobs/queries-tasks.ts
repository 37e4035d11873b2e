import type { TaskResource } from "@filemill/contract/jobs.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import type { TaskKind, TaskStatus } from "@filemill/contract/status.ts";
import type { Database } from "../db/database.ts";
import { allOf, sql, type Statement } from "../db/sql.ts";
import { notFound } from "../errors.ts";
import type { TaskError } from "../queue/task.ts";
import { failureResource } from "./queries.ts";

export interface TaskPosition {
  /** Of a task: item_from. Of a dead letter: when it died, PostgreSQL's timestamp. */
  readonly place: string;
  readonly id: string;
}

export interface TaskPage {
  readonly data: TaskResource[];
  readonly next: TaskPosition | null;
}

export interface LaneBacklog {
  readonly lane: string;
  readonly ready: number;
  readonly running: number;
}

interface TaskRow {
  readonly id: string;
  readonly jobId: string;
  readonly kind: TaskKind;
  readonly status: TaskStatus;
  readonly stage: number;
  readonly steps: string[] | null;
  readonly lane: string;
  readonly items: number;
  readonly itemsDone: number;
  readonly epoch: number;
  readonly attempts: number;
  readonly losses: number;
  readonly workerId: string | null;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  readonly error: TaskError | null;
  readonly place: string;
}

/** The tasks of a job, by their first item; reduces, which have none, come first. Throws Problem not_found. */
export async function listTasks(
  database: Database,
  query: {
    readonly tenantId: string;
    readonly jobId: string;
    readonly limit: number;
    readonly after?: TaskPosition | undefined;
    readonly status?: TaskStatus | undefined;
  },
): Promise<TaskPage> {
  const { tenantId, jobId, limit, after, status } = query;
  const wanted = [sql`t.job_id = ${jobId}`];
  if (status !== undefined) wanted.push(sql`t.status = ${status}`);
  if (after) wanted.push(sql`(t.item_from, t.id) > (${after.place}::int, ${after.id}::uuid)`);
  return await database.asTenant(tenantId, async (transaction) => {
    const [job] = await transaction.query(sql`SELECT 1 FROM jobs WHERE id = ${jobId} AND tenant_id = ${tenantId}`);
    if (!job) throw notFound("job", encodeId("job", jobId));
    const order = sql`t.item_from, t.id`;
    return pageOf(await transaction.query<TaskRow>(select({ where: allOf(wanted), place: sql`t.item_from::text`, order, limit })), limit);
  });
}

/** Dead tasks of the tenant, the latest first: what can be looked at and redriven. */
export async function listDeadLetters(
  database: Database,
  query: {
    readonly tenantId: string;
    readonly limit: number;
    readonly after?: TaskPosition | undefined;
    readonly lane?: string | undefined;
  },
): Promise<TaskPage> {
  const { tenantId, limit, after, lane } = query;
  const wanted = [sql`t.tenant_id = ${tenantId} AND t.status = 'dead'`];
  if (lane !== undefined) wanted.push(sql`t.lane = ${lane}`);
  if (after) wanted.push(sql`(t.finished_at, t.id) < (${after.place}::timestamptz, ${after.id}::uuid)`);
  const place = sql`to_char(t.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
  const order = sql`t.finished_at DESC, t.id DESC`;
  return await database.asTenant(tenantId, async (transaction) =>
    pageOf(await transaction.query<TaskRow>(select({ where: allOf(wanted), place, order, limit })), limit),
  );
}

/** Dead tasks of the tenant by job, for redriving; ids that name none are left out. `jobId` alone takes all of that job. */
export async function deadTasksByJob(
  database: Database,
  wanted: { readonly tenantId: string; readonly taskIds: readonly string[] },
): Promise<Map<string, string[]>> {
  const { tenantId, taskIds } = wanted;
  const rows = await database.asTenant(tenantId, (transaction) =>
    transaction.query<{ id: string; job: string }>(sql`
      SELECT id, job_id AS job FROM tasks WHERE tenant_id = ${tenantId} AND status = 'dead' AND id = ANY(${taskIds}::uuid[]) ORDER BY id`),
  );
  return new Map([...Map.groupBy(rows, (row) => row.job)].map(([job, tasks]) => [job, tasks.map((task) => task.id)]));
}

/** Ready and running tasks a lane, of all tenants: what an autoscaler reads. Lanes without either are not there. */
export async function laneBacklog(database: Database): Promise<LaneBacklog[]> {
  return await database.asSystem((transaction) =>
    transaction.query<LaneBacklog>(sql`SELECT lane, ready, running FROM lane_backlog ORDER BY lane`),
  );
}

function select(of: { where: Statement; place: Statement; order: Statement; limit: number }): Statement {
  return sql`
    SELECT t.id, t.job_id AS "jobId", t.kind, t.status, t.stage, t.lane, t.items,
      CASE t.status WHEN 'succeeded' THEN t.items ELSE least(t.items_done, t.items) END AS "itemsDone", t.epoch, t.attempts, t.losses, t.worker_id AS "workerId",
      t.created_at AS "createdAt", t.started_at AS "startedAt", t.finished_at AS "finishedAt", t.error, ${of.place} AS place,
      (SELECT jsonb_path_query_array(s.plan->'stages'->t.stage, '$.steps[*].name') FROM job_specs s WHERE s.job_id = t.job_id) AS steps
    FROM tasks t WHERE ${of.where} ORDER BY ${of.order} LIMIT ${of.limit + 1}`;
}

function pageOf(rows: readonly TaskRow[], limit: number): TaskPage {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { data: page.map(resourceOf), next: rows.length > limit && last ? { place: last.place, id: last.id } : null };
}

function resourceOf(row: TaskRow): TaskResource {
  return {
    id: encodeId("task", row.id),
    job_id: encodeId("job", row.jobId),
    kind: row.kind,
    status: row.status,
    stage: row.stage,
    steps: row.steps ?? [],
    lane: row.lane,
    items: row.items,
    items_done: row.itemsDone,
    epoch: row.epoch,
    attempts: row.attempts,
    // Of a task that is reserved, what the reaper would add is taken off beforehand (queue/reserve-job.ts).
    losses: Math.max(0, row.losses),
    worker_id: row.workerId === null ? null : encodeId("worker", row.workerId),
    created_at: row.createdAt.toISOString(),
    started_at: row.startedAt?.toISOString() ?? null,
    finished_at: row.finishedAt?.toISOString() ?? null,
    error: row.error ? failureResource(row.error) : null,
  };
}
