import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/** Figures of the whole installation, for operators. */
export interface SystemFigures {
  readonly activeWorkers: number;
  readonly queuedJobs: number;
  /** Items that ended in the last minute, a second. */
  readonly itemsPerSecond: number;
  /** Dead among the tasks that ended in the last hour, 0–1. */
  readonly errorRate: number;
  readonly files: number;
  readonly bytes: number;
  /** Tenants with a job in the last 30 days. */
  readonly activeTenants: number;
  /** API keys that are valid now: until people have accounts of their own, a key is who acts. */
  readonly users: number;
}

/** Newest tasks (ids are ordered by time) that rates are told from, so that asking costs the same however long the history is. */
const NEWEST_TASKS = 20_000;

export async function readSystemFigures(database: Database): Promise<SystemFigures> {
  return database.asSystem(async (transaction) => ({ ...(await readRates(transaction)), ...(await readTotals(transaction)) }));
}

async function readRates(transaction: Transaction) {
  const [row] = await transaction.query<Pick<SystemFigures, "itemsPerSecond" | "errorRate">>(sql`
    SELECT coalesce(sum(greatest(items, 1)) FILTER (WHERE status = 'succeeded' AND finished_at > now() - interval '1 minute'), 0)::float8 / 60 AS "itemsPerSecond",
      coalesce(count(*) FILTER (WHERE status = 'dead' AND finished_at > now() - interval '1 hour')::float8
        / nullif(count(*) FILTER (WHERE status IN ('succeeded', 'dead') AND finished_at > now() - interval '1 hour'), 0), 0) AS "errorRate"
    FROM (SELECT status, items, finished_at FROM tasks ORDER BY id DESC LIMIT ${NEWEST_TASKS}) newest`);
  return row ?? { itemsPerSecond: 0, errorRate: 0 };
}

async function readTotals(transaction: Transaction) {
  const [row] = await transaction.query<Omit<SystemFigures, "itemsPerSecond" | "errorRate">>(sql`
    SELECT
      (SELECT count(*) FROM workers WHERE status IN ('up', 'draining') AND seen_at > now() - interval '30 seconds') AS "activeWorkers",
      (SELECT count(*) FROM jobs WHERE status = 'queued') AS "queuedJobs",
      stored.files, stored.bytes,
      (SELECT count(DISTINCT tenant_id) FROM jobs WHERE created_at > now() - interval '30 days') AS "activeTenants",
      (SELECT count(*) FROM api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())) AS users
    FROM (SELECT count(*) AS files, coalesce(sum(size_bytes), 0)::bigint AS bytes FROM files WHERE status = 'stored' AND origin <> 'intermediate') stored`);
  return row ?? { activeWorkers: 0, queuedJobs: 0, files: 0, bytes: 0, activeTenants: 0, users: 0 };
}

export interface WorkerRow {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly lanes: readonly string[];
  readonly slots: number;
  readonly status: "up" | "draining" | "gone" | "lost";
  readonly startedAt: Date;
  readonly seenAt: Date;
  readonly runningTasks: number;
}

/** Workers that are there, or were there in the last hour. */
export async function readWorkers(database: Database): Promise<WorkerRow[]> {
  return database.asSystem((transaction) =>
    transaction.query<WorkerRow>(sql`
      SELECT workers.id, host, pid, lanes, slots, workers.started_at AS "startedAt",
        -- Workers mark each other as lost; where none is left to do it, the time says it.
        CASE WHEN workers.status IN ('up', 'draining') AND seen_at < now() - interval '30 seconds' THEN 'lost' ELSE workers.status END AS status,
        seen_at AS "seenAt", coalesce(held.tasks, 0) AS "runningTasks"
      FROM workers LEFT JOIN (SELECT worker_id, count(*) AS tasks FROM tasks WHERE status = 'running' GROUP BY worker_id) held ON held.worker_id = workers.id
      WHERE seen_at > now() - interval '1 hour' ORDER BY workers.started_at, workers.id LIMIT 2000`),
  );
}
