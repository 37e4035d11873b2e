import { failpoint } from "../failpoint.ts";
import { JobsCancelled } from "../jobs/advance/stage-rows.ts";
import { sweepTasks } from "../jobs/cancel.ts";
import type { Plan } from "../jobs/plan.ts";
import { commitGenerated } from "../jobs/sources/commit-generated.ts";
import type { ClaimedTask } from "../queue/task.ts";
import type { TaskEnd, TaskServices } from "./task-services.ts";

/**
 * Makes the items of a job that generates its inputs, page by page, until all are there or the task is taken away. Rejects
 * what runTask makes a hand-back of: database errors, the signal's reason.
 */
export async function runGenerate(
  services: TaskServices,
  { task, plan }: { readonly task: ClaimedTask; readonly plan: Plan },
  signal: AbortSignal,
): Promise<TaskEnd> {
  const { database, workerId } = services;
  try {
    for (let isLast = false; !isLast;) {
      signal.throwIfAborted();
      const page = await database.asSystem((transaction) => commitGenerated(transaction, { task, plan, workerId }));
      await failpoint("generate-page-after-commit");
      if (!page) return "not_ours";
      if (page.lanes.size > 0) services.announce(page.lanes);
      ({ isLast } = page);
    }
  } catch (error) {
    if (!(error instanceof JobsCancelled)) throw error;
    await database.asSystem((transaction) => sweepTasks(transaction, [task.jobId]));
    return "not_ours";
  }
  const outcome = { type: "done" as const, results: [{ ok: true as const, outputs: [] }] };
  return await services.committer.commit({ finished: { task, plan, outcome }, files: [], outputs: [] });
}
