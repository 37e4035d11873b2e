import type { Issue } from "@filemill/contract/errors.ts";
import type { Outline, StepOutline } from "./outline.ts";
import { pointerTo } from "./pointer.ts";

/**
 * Can the files that a step gets be of a type that its processor takes? Each needed step must produce something that the
 * step accepts; with `when`, something that `when` lets in must be, and the rest passes by. Inputs of a job can be anything.
 */
export function lintMedia(outline: Outline): Issue[] {
  return [...outline.steps.values()].flatMap((step) => {
    const { processor } = step;
    if (!processor) return [];
    const taken = step.when ? intersect(processor.accepts, step.when) : processor.accepts;
    if (step.when && step.when.length > 0 && taken.length === 0) {
      const message = `${processor.name} takes ${listed(processor.accepts)}, never ${listed(step.when)}`;
      return [{ pointer: pointerTo(["steps", step.name, "when", "media_type"]), message }];
    }
    const wrong = step.needs.flatMap((need, index) => lintNeed(step, outline.steps.get(need), taken, index));
    // With `when` what one need gives may pass by, as long as another gives something to do.
    return step.when && wrong.length < step.needs.length ? [] : wrong;
  });
}

function lintNeed(step: StepOutline, need: StepOutline | undefined, taken: readonly string[], index: number): Issue[] {
  if (!need?.processor || need === step || intersect(need.processor.produces, taken).length > 0) return [];
  const message = `"${need.name}" (${need.processor.name}) produces ${listed(need.processor.produces)}, but "${step.name}" (${step.use}) takes ${listed(taken)}`;
  return [
    {
      pointer: pointerTo(["steps", step.name, "needs", index]),
      message,
      suggestion: "Put a step between them that converts, or take another.",
    },
  ];
}

/** What falls under both lists of patterns. */
function intersect(left: readonly string[], right: readonly string[]): string[] {
  return left.flatMap((one) => right.flatMap((other) => narrower(one, other) ?? []));
}

function narrower(one: string, other: string): string | undefined {
  if (one === other || covers(one, other)) return other;
  return covers(other, one) ? one : undefined;
}

function covers(pattern: string, other: string): boolean {
  return pattern === "*/*" || (pattern.endsWith("/*") && other.startsWith(pattern.slice(0, -1)));
}

function listed(patterns: readonly string[]): string {
  return patterns.length === 0 ? "nothing" : patterns.join(", ");
}
