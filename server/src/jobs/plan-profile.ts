import type { Plan } from "./plan.ts";

/** The plan of a job whose tasks are profiled. Every step then runs, because there is nothing to see in a result of before. */
export function withProfile(plan: Plan): Plan {
  return {
    ...plan,
    profile: true,
    stages: plan.stages.map(({ reuse: _reuse, ...stage }) => stage),
  };
}
