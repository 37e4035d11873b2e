import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { backoff } from "./insert-tasks.ts";
import type { Entry, TaskError } from "./task.ts";

// What may become of a task that hold() has locked. Each is one statement over any number of tasks.

export async function markSucceeded(transaction: Transaction, taskIds: readonly string[]): Promise<void> {
  await transaction.execute(sql`
    UPDATE tasks SET status = 'succeeded', finished_at = now(), lease_until = NULL, error = NULL WHERE id = ANY(${taskIds}::uuid[])`);
}

export interface FailedTask {
  readonly taskId: string;
  readonly error: TaskError;
}

export async function markDead(transaction: Transaction, tasks: readonly FailedTask[]): Promise<void> {
  await transaction.execute(sql`
    UPDATE tasks SET status = 'dead', finished_at = now(), lease_until = NULL, error = given.error,
      attempts = attempts + CASE given.error->>'class' WHEN 'bad_input' THEN 1 WHEN 'lost' THEN 0 ELSE 1 END
    FROM unnest(${tasks.map((task) => task.taskId)}::uuid[], ${tasks.map((task) => JSON.stringify(task.error))}::jsonb[]) AS given(id, error)
    WHERE tasks.id = given.id`);
}

/** Ready again after a failure that counts: one more attempt burnt, out of the ready index until the backoff is over. */
export async function markBackingOff(transaction: Transaction, tasks: readonly FailedTask[]): Promise<void> {
  await transaction.execute(sql`
    UPDATE tasks SET status = 'ready', worker_id = NULL, lease_until = NULL, error = given.error, attempts = attempts + 1,
      backing_off = true, run_at = now() + ${backoff(sql`attempts + 1`)}
    FROM unnest(${tasks.map((task) => task.taskId)}::uuid[], ${tasks.map((task) => JSON.stringify(task.error))}::jsonb[]) AS given(id, error)
    WHERE tasks.id = given.id`);
}

export interface ShrunkTask {
  readonly taskId: string;
  readonly keep: readonly Entry[];
}

/** Ready again with only some of its entries; the rest went into tasks of their own. Burns nothing. */
export async function shrink(transaction: Transaction, task: ShrunkTask): Promise<void> {
  const ordinals = task.keep.map((entry) => entry.ordinal);
  await transaction.execute(sql`
    UPDATE task_inputs SET ordinals = ${ordinals}::int[], parents = ${task.keep.map((entry) => entry.parent)}::int[],
      files = ${task.keep.map((entry) => entry.fileId)}::uuid[], from_steps = ${task.keep.map((entry) => entry.from)}::text[]
    WHERE task_id = ${task.taskId}::uuid`);
  await transaction.execute(sql`
    UPDATE tasks SET status = 'ready', worker_id = NULL, lease_until = NULL, run_at = now(), items = ${ordinals.length}, items_done = least(items_done, ${ordinals.length}),
      item_from = ${Math.min(...ordinals)}, item_to = ${Math.max(...ordinals)}
    WHERE id = ${task.taskId}::uuid`);
}
