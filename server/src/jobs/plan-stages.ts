import type { Batch } from "@filemill/contract/pipeline.ts";

/** What grouping needs to know of a step; `needs` holds `""` for the job's inputs. */
export interface StageableStep {
  readonly name: string;
  readonly needs: readonly string[];
  readonly kind: "map" | "tree" | "gather";
  readonly emits: "one" | "many";
  /** The worker does it before a host gets the task, so that it must be the first of its stage. */
  readonly byWorker: boolean;
  readonly lane: string;
  readonly attempts: number;
  readonly batch?: Batch;
}

export interface StageGroup<S extends StageableStep> {
  readonly steps: S[];
  /** The steps of other stages (or `""`) whose files come in here. */
  readonly sources: readonly string[];
}

/**
 * Groups steps, given in an order in which each comes after its needs, into stages.
 *
 * A map step joins a stage of map steps with its settings when what it needs from outside that stage is nothing, or exactly
 * what the stage takes already; it never joins behind a step that emits many, whose files become entries of their own.
 * A step that the worker does begins a stage, in which all others stand behind it.
 *
 * Why no stage can feed itself: a stage's sources are fixed by its first step, and by induction each of its steps has all
 * of them above it. A source that lay below one of the stage's steps would therefore lie below itself. So the order in
 * which stages are opened is an order in which each comes after those that feed it.
 */
export function groupIntoStages<S extends StageableStep>(steps: readonly S[]): StageGroup<S>[] {
  const groups: StageGroup<S>[] = [];
  for (const step of steps) {
    const home = step.kind === "map" ? groups.find((group) => canJoin(group, step)) : undefined;
    if (home) home.steps.push(step);
    else groups.push({ steps: [step], sources: [...new Set(step.needs)].toSorted() });
  }
  return groups;
}

function canJoin(group: StageGroup<StageableStep>, step: StageableStep): boolean {
  const first = group.steps[0];
  if (first === undefined || first.kind !== "map" || settingsOf(first) !== settingsOf(step) || step.byWorker) return false;
  const inside = group.steps.filter((member) => step.needs.includes(member.name));
  if (inside.some((member) => member.emits === "many")) return false;
  const outside = [...new Set(step.needs.filter((need) => !inside.some((member) => member.name === need)))].toSorted();
  return outside.length === 0 || (!first.byWorker && sameList(outside, group.sources));
}

function settingsOf(step: StageableStep): string {
  return JSON.stringify([step.lane, step.attempts, batchKey(step.batch)]);
}

function batchKey(batch: Batch | undefined): unknown {
  return batch && Object.entries(batch).toSorted(([left], [right]) => (left < right ? -1 : 1));
}

function sameList(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((entry, index) => entry === right[index]);
}
