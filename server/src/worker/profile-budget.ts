import type { ClaimedTask } from "../queue/task.ts";

/** Of each stage of a job, in one worker: a job of a million items is not to leave a million profiles. */
const MOST_TASKS = 32;
/** Jobs that are remembered; an older one may be profiled anew. */
const MOST_STAGES = 10_000;

export interface ProfileBudget {
  /** Whether this task is still to be profiled; counts it. */
  take(task: Pick<ClaimedTask, "jobId" | "stage">): boolean;
}

export function openProfileBudget(): ProfileBudget {
  const taken = new Map<string, number>();
  return {
    take({ jobId, stage }) {
      const key = `${jobId}/${stage}`;
      const count = taken.get(key) ?? 0;
      if (count >= MOST_TASKS) return false;
      taken.set(key, count + 1);
      const oldest = taken.size > MOST_STAGES ? taken.keys().next().value : undefined;
      if (oldest !== undefined) taken.delete(oldest);
      return true;
    },
  };
}
