import type { FailureClass } from "../errors.ts";
import type { TaskOutcome } from "../jobs/advance/outcome.ts";
import type { Committer } from "./committer.ts";

export interface CountedOutcome {
  readonly taskId: string;
  /** Whether anything succeeded in the attempt. */
  readonly succeeded: boolean;
  /** Items that failed, or 1 for the task as a whole, by class. */
  readonly failures: ReadonlyMap<FailureClass, number>;
}

/** A committer that tells what became of each attempt, once that is true. */
export function countOutcomes(committer: Committer, onCommitted: (outcome: CountedOutcome) => void): Committer {
  return {
    async commit(completion) {
      const result = await committer.commit(completion);
      const { task, outcome } = completion.finished;
      if (result === "committed") onCommitted({ taskId: task.id, ...count(outcome) });
      return result;
    },
    close: (signal) => committer.close(signal),
  };
}

function count(outcome: TaskOutcome): Omit<CountedOutcome, "taskId"> {
  if (outcome.type === "failed") return { succeeded: false, failures: new Map([[outcome.failure.class, 1]]) };
  const failures = new Map<FailureClass, number>();
  for (const result of outcome.results) {
    if (!result.ok) failures.set(result.failure.class, (failures.get(result.failure.class) ?? 0) + 1);
  }
  return { succeeded: outcome.results.some((result) => result.ok), failures };
}
