import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import type { NewTask } from "../../queue/task.ts";
import type { Decided } from "./collect.ts";
import type { Decision } from "./decide.ts";

/**
 * What a batch has shown as done goes on counting where its items go: else a batch that is split, or gives up an item, would turn
 * the job's progress back. The tasks are locked, and not changed yet. Costs nothing where none is split.
 */
export async function shareProgress(transaction: Transaction, decided: readonly Decided[]): Promise<readonly Decided[]> {
  const splitting = decided.filter(({ decision }) => decision.moved.length > 0).map(({ decision }) => decision.task.id);
  if (splitting.length === 0) return decided;
  const rows = await transaction.query<{ id: string; done: number }>(sql`
    SELECT id, least(items_done, items) AS done FROM tasks WHERE id = ANY(${splitting}::uuid[]) AND items_done > 0`);
  const doneOf = new Map(rows.map((row) => [row.id, row.done]));
  return decided.map(({ decision, plan }) => {
    const done = doneOf.get(decision.task.id);
    return { plan, decision: done === undefined ? decision : { ...decision, moved: share(decision, done) } };
  });
}

function share({ self, succeeded, ended, moved }: Decision, done: number): NewTask[] {
  const kept = self.type === "shrunk" ? Math.min(done, self.keep.length) : succeeded.length;
  let left = Math.max(0, done - kept - ended.length);
  return moved.map((task) => {
    const items = Math.min(left, task.entries.length);
    left -= items;
    // What is dead counts as that.
    return items === 0 || task.state?.type === "dead" ? task : { ...task, itemsDone: items };
  });
}
