import { v7 as uuidv7 } from "uuid";
import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { Entry, NewTask, NewTaskState } from "./task.ts";

/** Rows a statement; keeps one message to the database well under a megabyte or two whatever the job's size. */
const CHUNK_TASKS = 500;

/**
 * Inserts tasks with their inputs, ids in the order given (uuid v7, monotonic within a process, so that a tenant's tasks
 * of equal priority are handed out in this order). Returns the ids.
 *
 * A task's arrays travel as array literals in one text[]: unnest can't take ragged arrays, COPY is refused under
 * row-level security, and a row an item was measured at twice the time and five times the memory.
 */
export async function insertTasks(transaction: Transaction, tasks: readonly NewTask[]): Promise<string[]> {
  const ids = tasks.map(() => uuidv7());
  for (let start = 0; start < tasks.length; start += CHUNK_TASKS) {
    await insertChunk(transaction, tasks.slice(start, start + CHUNK_TASKS), ids.slice(start, start + CHUNK_TASKS));
  }
  return ids;
}

async function insertChunk(transaction: Transaction, tasks: readonly NewTask[], ids: readonly string[]): Promise<void> {
  const column = <T>(pick: (task: NewTask) => T): T[] => tasks.map(pick);
  const entries = (pick: (entry: Entry) => string | number) => column((task) => `{${task.entries.map(pick).join(",")}}`);
  await transaction.execute(sql`
    WITH given AS (
      SELECT * FROM unnest(
        ${ids}::uuid[], ${column((task) => task.tenantId)}::uuid[], ${column((task) => task.jobId)}::uuid[],
        ${column((task) => task.stage)}::smallint[], ${column((task) => task.kind)}::text[], ${column((task) => task.lane)}::text[],
        ${column((task) => -task.priority)}::smallint[], ${column((task) => task.maxAttempts)}::smallint[],
        ${column((task) => task.tree?.level ?? null)}::smallint[], ${column((task) => task.tree?.node ?? null)}::bigint[],
        ${column((task) => task.tree?.root ?? null)}::boolean[],
        ${column((task) => task.state?.type ?? "ready")}::text[], ${column((task) => failureOf(task)?.attempts ?? 0)}::smallint[],
        ${column((task) => errorOf(task))}::jsonb[], ${column((task) => task.itemsDone ?? 0)}::int[], ${column((task) => task.weight ?? 1)}::smallint[],
        ${entries((entry) => entry.ordinal)}::text[], ${entries((entry) => entry.parent)}::text[],
        ${entries((entry) => entry.fileId)}::text[], ${entries((entry) => `"${entry.from}"`)}::text[]
      ) AS given(id, tenant_id, job_id, stage, kind, lane, rank, max_attempts, tree_level, tree_node, tree_root, state, attempts, error, items_done, weight,
        ordinals, parents, files, from_steps)
    ), inputs AS (
      INSERT INTO task_inputs (task_id, tenant_id, job_id, ordinals, parents, files, from_steps, reduce)
      SELECT id, tenant_id, job_id, ordinals::int[], parents::int[], files::uuid[], from_steps::text[], kind IN ('tree', 'gather') FROM given
    )
    INSERT INTO tasks (id, tenant_id, job_id, stage, kind, lane, status, rank, items, item_from, item_to, tree_level, tree_node, tree_root,
      attempts, max_attempts, backing_off, run_at, finished_at, error, items_done, weight, epoch)
    SELECT id, tenant_id, job_id, stage, kind, lane, CASE WHEN state IN ('dead', 'waiting') THEN state ELSE 'ready' END, rank,
      CASE kind WHEN 'map' THEN cardinality(ordinals::int[]) ELSE 0 END,
      CASE kind WHEN 'map' THEN (SELECT min(ordinal) FROM unnest(ordinals::int[]) ordinal) ELSE -1 END,
      CASE kind WHEN 'map' THEN (SELECT max(ordinal) FROM unnest(ordinals::int[]) ordinal) ELSE -1 END,
      tree_level, tree_node, tree_root, attempts, max_attempts, state = 'backing_off',
      CASE state WHEN 'backing_off' THEN now() + ${backoff(sql`attempts`)} ELSE now() END,
      CASE state WHEN 'dead' THEN now() END, error, items_done, weight,
      -- What had begun elsewhere counts as begun (the index tasks_begun).
      CASE WHEN items_done > 0 THEN 1 ELSE 0 END
    FROM given`);
}

function failureOf({ state }: NewTask): Exclude<NewTaskState, { type: "waiting" }> | undefined {
  return state?.type === "waiting" ? undefined : state;
}

function errorOf(task: NewTask): string | null {
  const failure = failureOf(task);
  return failure ? JSON.stringify(failure.error) : null;
}

/**
 * How long to wait after the given number of burnt attempts: 1 s, 2 s, 4 s … at most 5 min, each times 0.5–1.5, so
 * that what failed together does not come back together.
 */
export function backoff(attempts: ReturnType<typeof sql>): ReturnType<typeof sql> {
  return sql`least(interval '5 minutes', interval '1 second' * power(2, greatest(${attempts} - 1, 0))) * (0.5 + random())`;
}
