import type { StagePlan, StepPlan } from "../jobs/plan.ts";

/** Is what the step emits stored? Inside a tree every node's result goes on, to its parent at least. */
export function isKeptInStage(step: StepPlan, stage: Pick<StagePlan, "kind">): boolean {
  return step.output || step.feeds.length > 0 || stage.kind === "tree";
}
