import type { JobStatus } from "@filemill/contract/status.ts";
import { nodesAt } from "./advance/tree.ts";
import type { StageCounters } from "./job-counts.ts";
import { MOST_AHEAD } from "./sources/ahead.ts";

/** What an open job shows at most: 100 says that it has ended. */
const MOST_WHILE_OPEN = 99.9;
/** Less done than this says nothing about the rest. */
const LEAST_FOR_ESTIMATE = 0.01;

/**
 * Percent done, 0–100 with one decimal: the mean over the stages of what part of each is done. What will come to a stage
 * is not known before its feeders have ended; until then the part done of what came is scaled by the part that the
 * feeders have done, so that more arriving does not turn the bar back. 100 for a job that completed or failed and for no
 * other; a cancelled job stays where it was.
 *
 * While a source is open, nobody knows how much will come: see fractionWhileListing.
 *
 * `nodesDone` gives the succeeded nodes of each tree stage.
 */
export function progressOf(status: JobStatus, stages: readonly StageCounters[], nodesDone: ReadonlyMap<number, number>): number {
  if (status === "completed" || status === "failed") return 100;
  return Math.min(MOST_WHILE_OPEN, Math.floor(fractionDone(stages, nodesDone) * 1_000) / 10);
}

/** When a running job will have ended if it goes on as it did, or null where that can't be told yet. */
export function estimateCompletion(job: {
  readonly status: JobStatus;
  readonly startedAt: Date | null;
  readonly now: Date;
  /** 0–100. */
  readonly progress: number;
  readonly stages?: readonly StageCounters[];
}): Date | null {
  if (job.stages && isListing(job.stages)) return null;
  const fraction = job.progress / 100;
  if (job.status !== "running" || job.startedAt === null || fraction < LEAST_FOR_ESTIMATE) return null;
  const elapsedMs = job.now.getTime() - job.startedAt.getTime();
  return new Date(Math.max(job.now.getTime(), job.startedAt.getTime() + elapsedMs / fraction));
}

function fractionDone(stages: readonly StageCounters[], nodesDone: ReadonlyMap<number, number>): number {
  if (isListing(stages)) return fractionWhileListing(stages);
  const fractions: number[] = [];
  for (const stage of stages) {
    const feeders = stage.feeders.map((feeder) => fractions[feeder] ?? 0);
    const fed = stage.openFeeders === 0 || feeders.length === 0 ? 1 : mean(feeders);
    fractions.push(Math.min(1, stageFraction(stage, fed, nodesDone.get(stage.stage) ?? 0)));
  }
  return mean(fractions.filter((_fraction, index) => stages[index]?.kind !== "source"));
}

/** A generator lists nothing that was not known before; a source that does stands before a stage that collects. */
function isListing([first, second]: readonly StageCounters[]): boolean {
  return first?.kind === "source" && first.status === "open" && second?.perInput === true;
}

/**
 * An open source is never more than MOST_AHEAD objects ahead of any stage that takes them one by one, so that of `done`
 * objects there at least done / (done + MOST_AHEAD) will turn out to have been the part: it only grows, and what is
 * counted when the source has ended is no less. Of the other stages nothing can be said.
 */
function fractionWhileListing(stages: readonly StageCounters[]): number {
  const known = stages.map((stage) => {
    const done = stage.perInput === true ? stage.succeeded + stage.skipped + stage.dead + stage.moved : 0;
    return done / (done + MOST_AHEAD);
  });
  return mean(known.slice(1));
}

function stageFraction(stage: StageCounters, fed: number, nodesDone: number): number {
  if (stage.status === "closed") return 1;
  // It is no part of the work, and what it will bring is counted already.
  if (stage.kind === "source") return 1;
  if (stage.kind === "map") {
    const done = stage.succeeded + stage.skipped + stage.dead + stage.moved + stage.inTasks;
    return stage.itemsIn === 0 ? 0 : (done / stage.itemsIn) * fed;
  }
  if (stage.kind === "tree" && stage.leaves !== null) return nodesDone / treeSize(stage.leaves, stage.fanIn ?? 2);
  return 0;
}

/** Nodes of a whole tree. */
export function treeSize(leaves: number, fanIn: number): number {
  if (leaves === 0) return 1;
  let total = 0;
  let level = 0;
  let nodes: number;
  do {
    nodes = nodesAt({ leaves, fanIn }, ++level);
    total += nodes;
  } while (nodes > 1);
  return total;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
