import type { Counts } from "@filemill/contract/jobs.ts";
import type { JobStatus, TaskKind } from "@filemill/contract/status.ts";

/** The counters of one stage, as job_stages has them, and what the plan says of it. */
export interface StageCounters {
  readonly stage: number;
  readonly kind: TaskKind;
  readonly status: "open" | "closed" | "cancelled";
  readonly openFeeders: number;
  readonly itemsIn: number;
  readonly succeeded: number;
  readonly skipped: number;
  readonly dead: number;
  readonly moved: number;
  /** Done in batches that have not ended. */
  readonly inTasks: number;
  readonly deadTasks: number;
  readonly leaves: number | null;
  readonly feeders: readonly number[];
  readonly fanIn: number | null;
  /** Behind a source: each of its objects is exactly one item here. */
  readonly perInput: boolean | null;
}

/**
 * What has become of a job's items: total = waiting + running + succeeded + skipped + dead + cancelled, always. An item
 * that moved on to a later stage is counted there. `running` is the number of items in tasks that workers hold. A job
 * that only reduces its inputs has no items of its own: they share the fate of the job. So do those of a job that waits for
 * others, or was cancelled while it did.
 */
export function countsOf(
  job: {
    readonly status: JobStatus;
    readonly inputItems: number;
    readonly waits?: { readonly settled: boolean; readonly error: unknown } | null;
  },
  stages: readonly StageCounters[],
  running: number,
): Counts {
  const maps = stages.filter((stage) => stage.kind === "map");
  if (maps.length === 0 || hasNeverStarted(job.waits)) return reducedCounts(job);
  const sum = (pick: (stage: StageCounters) => number) => maps.reduce((total, stage) => total + pick(stage), 0);
  const ended = { succeeded: sum((stage) => stage.succeeded), skipped: sum((stage) => stage.skipped), dead: sum((stage) => stage.dead) };
  const total = sum((stage) => stage.itemsIn - stage.moved);
  const rest = Math.max(0, total - ended.succeeded - ended.skipped - ended.dead);
  if (job.status === "cancelled") return { total, ...ended, waiting: 0, running: 0, cancelled: rest };
  const inHand = Math.min(running, rest);
  return { total, ...ended, waiting: rest - inHand, running: inHand, cancelled: 0 };
}

function hasNeverStarted(waits: Parameters<typeof countsOf>[0]["waits"]): boolean {
  return waits ? !waits.settled || waits.error !== null : false;
}

function reducedCounts({ status, inputItems }: { readonly status: JobStatus; readonly inputItems: number }): Counts {
  const none = { waiting: 0, running: 0, succeeded: 0, skipped: 0, dead: 0, cancelled: 0 };
  const key = { queued: "waiting", running: "running", completed: "succeeded", failed: "dead", cancelled: "cancelled" } as const;
  return { total: inputItems, ...none, [key[status]]: inputItems };
}
