import type { StagePlan } from "./plan.ts";

/**
 * Does every entry of this stage give exactly one arrival for each of these of its steps, so that a later stage can know
 * how many it will get? Not behind a reduce or a fan-out, and not where a step of the same stage takes the files of two
 * others: it runs once for each of them. An entry that passes a step by (`when`) still arrives, empty.
 */
export function givesExactlyOne(stage: StagePlan, stepNames: readonly string[]): boolean {
  if (stage.kind !== "map") return false;
  const runs = new Map<string, number>();
  for (const step of stage.steps) {
    const inside = step.needs.filter((need) => runs.has(need));
    const fromOutside = inside.length < step.needs.length ? 1 : 0;
    runs.set(
      step.name,
      inside.reduce((sum, need) => sum + (runs.get(need) ?? 0), fromOutside),
    );
  }
  return stage.steps.every((step) => !stepNames.includes(step.name) || (step.emits === "one" && runs.get(step.name) === 1));
}
