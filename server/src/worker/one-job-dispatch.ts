import { claimTasksOf, leftToDo, type JobClaim, type RunInHand, type TasksOfJob } from "../queue/claim-job.ts";
import type { Dispatch } from "../queue/dispatch.ts";
import type { Lease } from "../queue/lease.ts";
import { openPostgresDispatch, type PostgresDispatchOptions } from "../queue/postgres-dispatch.ts";
import { renew } from "../queue/renew.ts";
import type { ClaimedTask } from "../queue/task.ts";

export interface OneJobDispatch extends Dispatch {
  /** Resolves when this worker has nothing more to do for the job: it ended, its run did, or the rest is in others' hands. */
  readonly over: Promise<JobLeft>;
  /** What ended a task here may have made the next one ready, or have been the last. */
  look(): void;
}

/** Why it is over: nothing is left to do, or what is left is to be tried again too far off to wait for. */
export type JobLeft = "done" | "backs_off";

/** A process lives for seconds and looks at one job: an announcement that is lost costs it no more than this. */
const FLOOR_MS = 500;
/** A task that backs off for longer is left to another worker; the first three tries of one are within it. */
const PATIENCE_MS = 60_000;

/**
 * Hands out the tasks of one job that is claimed already, first those that came with the claim. Of a job with runs it gives
 * one run, with what became of it when it failed, and the tasks of other stages that it made ready.
 */
export function openOneJobDispatch(options: PostgresDispatchOptions, claim: JobClaim): OneJobDispatch {
  const { database, workerId, lanes } = options;
  const announced = openPostgresDispatch(options);
  const over = Promise.withResolvers<JobLeft>();
  let first: readonly ClaimedTask[] | undefined = claim.tasks;
  let run: RunInHand | undefined;
  let isOver = false;
  let looking = new AbortController();

  /** Of a task that was claimed and is on its way to its host, the loop counts the lease from here. */
  async function takeFirst(tasks: readonly ClaimedTask[]): Promise<readonly ClaimedTask[]> {
    const leases: Lease[] = tasks.map((task) => ({ taskId: task.id, epoch: task.epoch }));
    const { renewed } = await database.asSystem((transaction) => renew(transaction, workerId, leases));
    first = undefined;
    return tasks.filter((task) => renewed.has(task.id));
  }

  function remember(tasks: readonly ClaimedTask[]): void {
    const runs = tasks.filter((task) => claim.runStages.includes(task.stage)).map((task) => task.id);
    if (runs.length > 0) run = { stages: claim.runStages, since: claim.claimedAt, taskIds: [...(run?.taskIds ?? []), ...runs] };
  }

  async function takeMore(want: number): Promise<readonly ClaimedTask[]> {
    const { jobId, tenantId } = claim;
    const of: TasksOfJob = { jobId, tenantId, workerId, lanes, want, run };
    const { tasks, left } = await database.asSystem(async (transaction) => {
      const claimed = await claimTasksOf(transaction, of);
      return { tasks: claimed, left: claimed.length > 0 ? undefined : await leftToDo(transaction, of) };
    });
    if (left && left.mine === 0 && (left.nextMs === undefined || left.nextMs > PATIENCE_MS)) {
      isOver = true;
      over.resolve(left.nextMs === undefined ? "done" : "backs_off");
    }
    return tasks;
  }

  const look = () => {
    looking.abort();
    looking = new AbortController();
  };

  return {
    over: over.promise,
    look,
    announce: (ready) => announced.announce(ready),
    async take(want) {
      if (isOver) return [];
      const tasks = first ? await takeFirst(first) : await takeMore(want);
      remember(tasks);
      return tasks;
    },
    wait: (signal) => announced.wait(AbortSignal.any([signal, looking.signal, AbortSignal.timeout(FLOOR_MS)])),
    close: () => announced.close(),
  };
}
