import type { ItemStatus, JobStatus, TaskStatus } from "@filemill/contract/status.ts";

/**
 * Every legal edge, and the only place that knows them. Terminal is final except through an explicit, audited retry,
 * which reopens dead items and the reduces above them. The statements that make these moves name the status they start
 * from; a test drives the real SQL against this table.
 */
export const JOB_EDGES: Readonly<Record<JobStatus, readonly JobStatus[]>> = {
  // A job whose stages all end without a task ever running (no inputs matched) completes from queued.
  queued: ["running", "completed", "failed", "cancelled"],
  running: ["completed", "failed", "cancelled"],
  completed: [],
  failed: ["running"],
  cancelled: [],
};

export const TASK_EDGES: Readonly<Record<TaskStatus, readonly TaskStatus[]>> = {
  waiting: ["ready", "cancelled"],
  ready: ["running", "cancelled"],
  // ready again: a retryable failure, a lost lease, a drain, or a batch that gave up an entry.
  running: ["succeeded", "dead", "ready", "cancelled"],
  succeeded: [],
  // By retry only.
  dead: ["ready"],
  cancelled: [],
};

export const ITEM_EDGES: Readonly<Record<ItemStatus, readonly ItemStatus[]>> = {
  waiting: ["running", "cancelled"],
  running: ["succeeded", "skipped", "dead", "waiting", "cancelled"],
  succeeded: [],
  skipped: [],
  // By retry only.
  dead: ["waiting"],
  cancelled: [],
};

export function isLegalJobEdge(from: JobStatus, to: JobStatus): boolean {
  return JOB_EDGES[from].includes(to);
}

export function isLegalTaskEdge(from: TaskStatus, to: TaskStatus): boolean {
  return TASK_EDGES[from].includes(to);
}
