import type { Transaction } from "../../db/database.ts";
import { insertExceptions, type ItemException } from "../../queue/exceptions.ts";
import { markBackingOff, markDead, markSucceeded, shrink, type FailedTask } from "../../queue/finish.ts";
import { insertTasks } from "../../queue/insert-tasks.ts";
import { appendEvents } from "../../record/events.ts";
import { advanceJobs } from "./advance-jobs.ts";
import { collect, type Decided } from "./collect.ts";
import { decide } from "./decide.ts";
import type { FinishedTask } from "./outcome.ts";
import { shareProgress } from "./share-progress.ts";

/** What a settlement brought about, to be announced after the commit. */
export interface Settled {
  /** Lanes that got ready tasks. */
  readonly lanes: ReadonlySet<string>;
  /** Were events written? Readers are to be told. */
  readonly events: boolean;
  readonly succeeded: number;
  readonly failed: number;
}

/**
 * Makes what a worker brings back true, in one transaction over any number of tasks: tasks ended or tried again, items
 * counted, next tasks made ready, events written, jobs closed. The caller holds the tasks (queue/hold.ts) and has inserted
 * the output files in the same transaction. Throws JobsCancelled.
 */
export async function settle(transaction: Transaction, finished: readonly FinishedTask[]): Promise<Settled> {
  const decided = await shareProgress(
    transaction,
    finished.map((one) => ({ decision: decide(one), plan: one.plan })),
  );
  const lanes = await markTasks(transaction, decided);
  const exceptions = await moveEntries(transaction, decided, lanes);
  if (exceptions.length > 0) {
    await insertExceptions(transaction, exceptions);
    await appendEvents(transaction, exceptions.map(exceptionEvent));
  }
  const advanced = await advanceJobs(transaction, collect(decided));
  const succeeded = decided.filter(({ decision }) => decision.self.type === "succeeded").length;
  return {
    lanes: new Set([...lanes, ...advanced.lanes]),
    events: advanced.endedJobs + exceptions.length > 0,
    succeeded,
    failed: decided.length - succeeded,
  };
}

async function markTasks(transaction: Transaction, decided: readonly Decided[]): Promise<Set<string>> {
  const lanes = new Set<string>();
  const succeeded: string[] = [];
  const dead: FailedTask[] = [];
  const backingOff: FailedTask[] = [];
  for (const { decision } of decided) {
    const { task, self } = decision;
    if (self.type === "succeeded") succeeded.push(task.id);
    else if (self.type === "dead") dead.push({ taskId: task.id, error: self.error });
    else if (self.type === "backing_off") backingOff.push({ taskId: task.id, error: self.error });
    else {
      await shrink(transaction, { taskId: task.id, keep: self.keep });
      lanes.add(task.lane);
    }
  }
  if (succeeded.length > 0) await markSucceeded(transaction, succeeded);
  if (dead.length > 0) await markDead(transaction, dead);
  if (backingOff.length > 0) await markBackingOff(transaction, backingOff);
  return lanes;
}

/** Inserts the tasks that entries leave for; gives the exception rows of all entries that ended. */
async function moveEntries(transaction: Transaction, decided: readonly Decided[], lanes: Set<string>): Promise<ItemException[]> {
  const moved = decided.flatMap(({ decision }) => decision.moved);
  const ids = await insertTasks(transaction, moved);
  for (const task of moved) if (!task.state) lanes.add(task.lane);
  const dead = moved.flatMap((task, index) => {
    const entry = task.entries[0];
    if (task.state?.type !== "dead" || !entry) return [];
    const { tenantId, jobId, stage } = task;
    return { taskId: ids[index] ?? "", tenantId, jobId, stage, ordinal: entry.ordinal, status: "dead" as const, error: task.state.error };
  });
  const ended = decided.flatMap(({ decision: { task, ended: entries } }) =>
    entries.map(({ entry, status, error }) => {
      const { id: taskId, tenantId, jobId, stage } = task;
      return { taskId, tenantId, jobId, stage, ordinal: entry.ordinal, status, error };
    }),
  );
  return [...dead, ...ended];
}

function exceptionEvent(exception: ItemException) {
  const { tenantId, jobId, ordinal, status, error } = exception;
  const type = status === "dead" ? ("item.dead" as const) : ("item.skipped" as const);
  return { tenantId, jobId, type, data: { ordinal, step: error.step, code: error.code, message: error.message } };
}
