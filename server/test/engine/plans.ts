import type { Plan, StagePlan, StepPlan } from "../../src/jobs/plan.ts";

/** Plans by hand, one line a stage, for tests that are about the engine and not about planning. */
export function step(name: string, options: Partial<StepPlan> = {}): StepPlan {
  return {
    name,
    use: "demo.noop",
    version: "1",
    with: {},
    needs: [""],
    onError: "fail",
    timeoutMs: 1_000,
    emits: "one",
    output: true,
    feeds: [],
    ...options,
  };
}

export function stage(no: number, steps: readonly StepPlan[], options: Partial<StagePlan> = {}): StagePlan {
  return {
    no,
    kind: "map",
    lane: "default",
    attempts: 3,
    steps,
    feeders: [],
    takesInputs: no === 0,
    countKnown: true,
    ...options,
  };
}

export const ONE_MAP: Plan = { stages: [stage(0, [step("a")])] };

export function mapThenTree(fanIn: number, options: Partial<StagePlan> = {}): Plan {
  return {
    stages: [
      stage(0, [step("a", { feeds: [1], output: false })], options),
      stage(1, [step("t", { needs: ["a"] })], { kind: "tree", fanIn, feeders: [0], takesInputs: false }),
    ],
  };
}

export function mapThenGather(options: Partial<StepPlan> = {}): Plan {
  return {
    stages: [
      stage(0, [step("a", { feeds: [1], output: false, ...options })]),
      stage(1, [step("g", { needs: ["a"] })], { kind: "gather", feeders: [0], takesInputs: false, countKnown: false }),
    ],
  };
}

/** Fans out, maps the children, gathers them. */
export const FAN_OUT: Plan = {
  stages: [
    stage(0, [step("a", { emits: "many", feeds: [1], output: false })]),
    stage(1, [step("b", { needs: ["a"], feeds: [2] })], { feeders: [0], takesInputs: false, countKnown: false }),
    stage(2, [step("g", { needs: ["b"] })], { kind: "gather", feeders: [1], takesInputs: false, countKnown: false }),
  ],
};
