import type { StagePlan } from "./plan.ts";

/**
 * Does every item give exactly one arrival for each of these steps of this stage, so that a later stage can know how many
 * it will get? Not behind a reduce or a fan-out; not where the stage takes the files of two steps, so that an item comes in
 * twice; and not where a step takes the files of two others of its own stage, because it runs once for each of them. An
 * entry that passes a step by (`when`) or is skipped still arrives, empty, at a tree; for a map see mayLoseItems.
 */
export function givesExactlyOne(stage: StagePlan, stepNames: readonly string[]): boolean {
  if (stage.kind !== "map") return false;
  const runs = new Map<string, number>();
  for (const step of stage.steps) {
    const inside = step.needs.filter((need) => runs.has(need));
    // An item comes in once from each step outside that is needed.
    const outside = step.needs.filter((need) => !runs.has(need));
    runs.set(
      step.name,
      inside.reduce((sum, need) => sum + (runs.get(need) ?? 0), outside.length),
    );
  }
  return stage.steps.every((step) => !stepNames.includes(step.name) || (step.emits === "one" && runs.get(step.name) === 1));
}

/**
 * May an item end in this stage without being dead, so that a map behind it never hears of it? A tree two stages on would
 * wait for its place for ever.
 */
export function mayLoseItems(stage: StagePlan): boolean {
  return stage.steps.some((step) => step.when !== undefined || step.onError === "skip");
}
