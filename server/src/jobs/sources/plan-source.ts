import type { CollectedSource } from "@filemill/contract/source.ts";
import { givesExactlyOne } from "../plan-counts.ts";
import { DEFAULT_LANE } from "../plan-pipeline.ts";
import type { Plan, StagePlan, StepPlan } from "../plan.ts";

/** The name of the collecting step is that of the job's inputs, so that the pipeline takes its files as it takes those. */
const COLLECT_STEP = "";
const COLLECT = "collect";
/** Of a page that can't be listed, or an object that can't be fetched: about half a minute of trouble passes. */
const ATTEMPTS = 6;
/** The stages that stand before the pipeline's. */
const SHIFT = 2;

/**
 * A pipeline's plan behind a source: stage 0 lists, stage 1 collects, and what took the job's inputs takes what stage 1
 * gives. How many inputs there will be is known when stage 0 has ended, so that trees wait for their feeders.
 */
export function withSource(plan: Plan, source: CollectedSource): Plan {
  const lane = source.lane ?? DEFAULT_LANE;
  const moved = plan.stages.map(behindSource);
  const takers = moved.filter((stage) => stage.feeders.includes(1)).map((stage) => stage.no);
  const bare = { lane, attempts: ATTEMPTS, takesInputs: false, countKnown: false };
  const stages: StagePlan[] = [
    { ...bare, no: 0, kind: "source", steps: [], feeders: [] },
    { ...bare, no: 1, kind: "map", steps: [collectStep(source, takers)], feeders: [0], perInput: true },
  ];
  for (const stage of moved) stages.push(isPerInput(stage, stages) ? { ...stage, perInput: true } : stage);
  return { ...plan, stages };
}

/** Do the tasks of this stage fetch what a source has listed? They run in the worker itself: step hosts have no network. */
export function isCollecting(stage: StagePlan): boolean {
  return stage.steps[0]?.use === COLLECT;
}

function behindSource(stage: StagePlan): StagePlan {
  const feeders = [...(stage.takesInputs ? [1] : []), ...stage.feeders.map((feeder) => feeder + SHIFT)];
  const steps = stage.steps.map((step) => ({ ...step, feeds: step.feeds.map((target) => target + SHIFT) }));
  return { ...stage, no: stage.no + SHIFT, feeders, steps, takesInputs: false, countKnown: false };
}

function collectStep(source: CollectedSource, feeds: readonly number[]): StepPlan {
  return {
    name: COLLECT_STEP,
    use: COLLECT,
    version: "1",
    with: {},
    needs: [SOURCE_STEP],
    onError: source.on_error ?? "fail",
    timeoutMs: 0,
    emits: "one",
    output: false,
    feeds,
  };
}

/** No step can have this name. */
const SOURCE_STEP = "(source)";

/** Has the stage exactly one item for each object of the source? */
function isPerInput(stage: StagePlan, before: readonly StagePlan[]): boolean {
  const [feeder, ...others] = stage.feeders.map((number) => before[number]);
  if (stage.kind !== "map" || feeder === undefined || others.length > 0 || feeder.perInput !== true) return false;
  const needs = new Set(stage.steps.flatMap((step) => step.needs));
  const from = feeder.steps.filter((step) => needs.has(step.name)).map((step) => step.name);
  return from.length === 1 && givesExactlyOne(feeder, from);
}
