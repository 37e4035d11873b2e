import type { TaskKind } from "@filemill/contract/status.ts";
import type { FailureClass } from "../errors.ts";

/** One input of a task: which item it is, the file, and the step that made it ("" = an input of the job). */
export interface Entry {
  readonly ordinal: number;
  /** Ordinal of the item that was fanned out into this one, -1 for none. */
  readonly parent: number;
  readonly fileId: string;
  readonly from: string;
}

/** A task about to be inserted. */
export interface NewTask {
  readonly tenantId: string;
  readonly jobId: string;
  readonly stage: number;
  readonly kind: TaskKind;
  readonly lane: string;
  readonly priority: number;
  readonly maxAttempts: number;
  /** Places of a worker that it takes; 1 unless told. */
  readonly weight?: number | undefined;
  readonly entries: readonly Entry[];
  readonly tree?: TreePlace;
  /** Of its items, those that were done and shown in the batch that they come from; 0 unless told. */
  readonly itemsDone?: number;
  /** Left out: ready at once. */
  readonly state?: NewTaskState;
}

export type NewTaskState =
  /** Its turn has not come; jobs/advance/runs.ts makes it ready. */
  | { readonly type: "waiting" }
  /** A new try after a failure; `attempts` counts the ones burnt, and the statement adds the backoff. */
  | { readonly type: "backing_off"; readonly attempts: number; readonly error: TaskError }
  | { readonly type: "dead"; readonly attempts: number; readonly error: TaskError };

export interface TreePlace {
  readonly level: number;
  readonly node: number;
  /** The only node of the last level, whose output is the tree's. */
  readonly root: boolean;
}

export interface TaskError {
  readonly class: FailureClass;
  readonly code: string;
  readonly step: string | null;
  readonly message: string;
}

/** A task in the hands of a worker. */
export interface ClaimedTask {
  readonly id: string;
  readonly epoch: number;
  readonly tenantId: string;
  readonly jobId: string;
  readonly stage: number;
  readonly kind: TaskKind;
  readonly lane: string;
  readonly priority: number;
  readonly attempts: number;
  readonly losses: number;
  /** How often it was handed back because infrastructure was away; drains do not count. */
  readonly handbacks: number;
  readonly maxAttempts: number;
  readonly weight: number;
  readonly tree: TreePlace | undefined;
  readonly entries: readonly Entry[];
  /** Ready → claimed, ms by the database's clock. */
  readonly waitedMs: number;
}
