import type { StageResource } from "@filemill/contract/jobs.ts";
import type { StageCounters } from "./job-counts.ts";
import { treeSize } from "./job-progress.ts";

/** A stage with what people know it by. */
export interface StageOfJob extends StageCounters {
  readonly steps: readonly string[];
}

/** How far each stage of a job is, as people are told. */
export function stageFigures(
  stages: readonly StageOfJob[],
  known: {
    /** Succeeded nodes of each tree that is open. */
    readonly nodesDone: ReadonlyMap<number, number>;
    /** Objects that the source has found. */
    readonly listed: number;
  },
): StageResource[] {
  return stages.map((stage) => {
    const { kind, steps, status } = stage;
    return { kind, steps: [...steps], status, ...figuresOf(stage, known) };
  });
}

function figuresOf(stage: StageCounters, { nodesDone, listed }: Parameters<typeof stageFigures>[1]): Pick<StageResource, "done" | "total"> {
  const { kind, status, openFeeders } = stage;
  const isClosed = status === "closed";
  if (kind === "source") return { done: listed, total: status === "open" ? null : listed };
  if (kind === "gather") return { done: isClosed ? 1 : 0, total: 1 };
  if (kind === "map") {
    const done = stage.succeeded + stage.skipped + stage.dead + stage.moved + stage.inTasks;
    return { done, total: openFeeders > 0 ? null : stage.itemsIn };
  }
  // Of a tree that has ended its nodes are not counted any more: all of them that could be reached are done.
  const total = stage.leaves === null ? null : treeSize(stage.leaves, stage.fanIn ?? 2);
  return { done: isClosed ? (total ?? 0) : (nodesDone.get(stage.stage) ?? 0), total };
}
