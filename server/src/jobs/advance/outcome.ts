import type { Failure } from "../../errors.ts";
import type { ClaimedTask } from "../../queue/task.ts";
import type { Plan } from "../plan.ts";

/** What a worker brings back for a task, before anything of it is true. */
export interface FinishedTask {
  readonly task: ClaimedTask;
  readonly plan: Plan;
  readonly outcome: TaskOutcome;
}

export type TaskOutcome =
  /** map: one result an entry, in their order. tree and gather: exactly one. */
  | { readonly type: "done"; readonly results: readonly EntryOutcome[] }
  /** The host died under it or the lease was lost too often; `culprit` is the index of the entry that was being worked on, where known. */
  | { readonly type: "failed"; readonly failure: Failure; readonly step: string | null; readonly culprit: number | undefined };

export type EntryOutcome =
  | { readonly ok: true; readonly outputs: readonly OutputOutcome[] }
  | { readonly ok: false; readonly failure: Failure; readonly step: string };

/** One file that a step emitted; new files are inserted by outputs/record.ts in the same transaction. */
export interface OutputOutcome {
  readonly step: string;
  readonly fileId: string;
  readonly sizeBytes: number;
}
