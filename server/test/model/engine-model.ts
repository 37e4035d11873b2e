import type { ClaimedTask, Entry } from "../../src/queue/task.ts";
import type { TaskOutcome } from "../../src/jobs/advance/outcome.ts";
import type { Plan } from "../../src/jobs/plan.ts";
import { FAN_OUT, mapThenGather, mapThenTree, stage, step } from "../engine/plans.ts";

/** A plan that random jobs may have, and how many tasks and items it ends with when all goes well. */
export interface ModelPlan {
  readonly name: string;
  readonly plan: Plan;
  /** Items that each stage counts at the end, by number of inputs. */
  readonly itemsIn: (inputs: number) => readonly number[];
  /** Tasks of tree and gather stages that succeed once each; with `inputs` ≥ 1. */
  readonly reduces: (inputs: number) => number;
}

/** Children that every entry of a fan-out makes. */
const CHILDREN = 3;

export const MODEL_PLANS: readonly ModelPlan[] = [
  {
    name: "one map, batches of 3",
    plan: { stages: [stage(0, [step("a")], { batch: { items: 3 } })] },
    itemsIn: (inputs) => [inputs],
    reduces: () => 0,
  },
  {
    name: "two maps, in lanes of their own",
    plan: {
      stages: [
        stage(0, [step("a", { feeds: [1] })], { batch: { items: 4 } }),
        stage(1, [step("b", { needs: ["a"] })], { feeders: [0], takesInputs: false, batch: { items: 1 } }),
      ],
    },
    itemsIn: (inputs) => [inputs, inputs],
    reduces: () => 0,
  },
  {
    name: "a tree",
    plan: mapThenTree(3, { batch: { items: 2 } }),
    itemsIn: (inputs) => [inputs, 0],
    reduces: (inputs) => nodes(inputs, 3),
  },
  {
    name: "runs, one after the other, and a gather",
    plan: {
      stages: [
        stage(0, [step("a", { feeds: [1] })], { batch: { fraction: 0.35, sequential: true } }),
        stage(1, [step("g", { needs: ["a"] })], { kind: "gather", feeders: [0], takesInputs: false, countKnown: false }),
      ],
    },
    itemsIn: (inputs) => [inputs, 0],
    reduces: () => 1,
  },
  { name: "a gather", plan: mapThenGather(), itemsIn: (inputs) => [inputs, 0], reduces: () => 1 },
  { name: "a fan-out that is gathered", plan: FAN_OUT, itemsIn: (inputs) => [inputs, inputs * CHILDREN, 0], reduces: () => 1 },
  {
    name: "a tree whose size the fan-out above decides, and a map of its result",
    plan: {
      stages: [
        stage(0, [step("a", { emits: "many", feeds: [1] })], { batch: { items: 2 } }),
        stage(1, [step("t", { needs: ["a"], feeds: [2] })], {
          kind: "tree",
          fanIn: 4,
          feeders: [0],
          takesInputs: false,
          countKnown: false,
        }),
        stage(2, [step("b", { needs: ["t"] })], { feeders: [1], takesInputs: false, countKnown: false }),
      ],
    },
    itemsIn: (inputs) => [inputs, 0, 1],
    reduces: (inputs) => nodes(inputs * CHILDREN, 4),
  },
  {
    name: "a diamond: two maps of one, gathered together",
    plan: {
      stages: [
        stage(0, [step("a", { feeds: [1, 2] })]),
        stage(1, [step("b", { needs: ["a"], feeds: [3] })], { feeders: [0], takesInputs: false }),
        stage(2, [step("c", { needs: ["a"], feeds: [3] })], { feeders: [0], takesInputs: false, batch: { items: 2 } }),
        stage(3, [step("g", { needs: ["b", "c"] })], { kind: "gather", feeders: [1, 2], takesInputs: false, countKnown: false }),
      ],
    },
    itemsIn: (inputs) => [inputs, inputs, inputs, 0],
    reduces: () => 1,
  },
];

/** Nodes of a tree over `leaves`, root included. */
function nodes(leaves: number, fanIn: number): number {
  let count = 0;
  for (let level = leaves; level > 1 || count === 0;) {
    level = Math.ceil(level / fanIn);
    count += level;
  }
  return count;
}

export type Emit = (step: string, count: number) => { readonly step: string; readonly fileId: string; readonly sizeBytes: number }[];

export type FailureOf = (entry: Entry | undefined) => "crashed" | "timeout" | "bad_input" | undefined;

/** What a task's steps would give: their files, or a failure where `failure` names one. */
export function outcomeOf(task: ClaimedTask, plan: Plan, emit: Emit, failure: FailureOf = () => undefined): TaskOutcome {
  const current = plan.stages[task.stage];
  if (!current) throw new RangeError(`no stage ${task.stage}`);
  const one = (entry: Entry | undefined) => {
    const failed = failure(entry);
    if (failed !== undefined) {
      const { name } = current.steps[0] ?? { name: "" };
      return {
        ok: false as const,
        step: name,
        failure: { class: failed, code: failed === "bad_input" ? ("corrupt" as const) : failed, message: "as told" },
      };
    }
    return { ok: true as const, outputs: current.steps.flatMap(({ name, emits }) => emit(name, emits === "many" ? CHILDREN : 1)) };
  };
  return { type: "done", results: task.kind === "map" ? task.entries.map(one) : [one(undefined)] };
}
