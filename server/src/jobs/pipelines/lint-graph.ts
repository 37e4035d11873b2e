import type { Issue } from "@filemill/contract/errors.ts";
import { orderSteps } from "../step-order.ts";
import { MAX_STEPS } from "./document-limits.ts";
import { didYouMean } from "./nearest.ts";
import type { Outline } from "./outline.ts";
import { pointerTo } from "./pointer.ts";

/** How the steps hang together: unknown names, steps that need themselves or each other, and how many there are. */
export function lintGraph(outline: Outline): Issue[] {
  const names = [...outline.steps.keys()];
  const issues: Issue[] = [];
  if (names.length === 0) issues.push({ pointer: "/steps", message: "must have at least one step" });
  if (names.length > MAX_STEPS)
    issues.push({ pointer: "/steps", message: `must not have more than ${MAX_STEPS} steps; it has ${names.length}` });
  for (const step of outline.steps.values()) {
    step.needs.forEach((need, index) => {
      const pointer = pointerTo(["steps", step.name, "needs", index]);
      if (need === step.name) issues.push({ pointer, message: `"${need}" can't need itself` });
      else if (!outline.steps.has(need))
        issues.push(
          unknownStep(
            pointer,
            need,
            names.filter((name) => name !== step.name),
          ),
        );
      else if (step.needs.indexOf(need) < index) issues.push({ pointer, message: `"${need}" is named twice` });
    });
  }
  outline.outputs.forEach((output, index) => {
    if (typeof output !== "string") return;
    const pointer = pointerTo(["outputs", index]);
    if (!outline.steps.has(output)) issues.push(unknownStep(pointer, output, names));
    else if (outline.outputs.indexOf(output) < index) issues.push({ pointer, message: `"${output}" is named twice` });
  });
  const cycles = lintCycles(outline);
  return [...issues, ...cycles, ...(cycles.length === 0 ? lintSpread(outline) : [])];
}

/** Files that one step may get for each input; no honest pipeline comes near it. */
const MAX_SPREAD = 1_000;

/**
 * A step runs once for every file of every step it needs, so that each step which needs all the others before it doubles
 * the files: twenty of them make a million out of one. Counted as if every step gave one file and nothing passed by.
 */
function lintSpread(outline: Outline): Issue[] {
  const needsOf = new Map([...outline.steps].map(([name, { needs }]) => [name, needs.filter((need) => outline.steps.has(need))]));
  const givenBy = new Map<string, number>();
  const issues: Issue[] = [];
  for (const name of orderSteps(needsOf)) {
    const needs = needsOf.get(name) ?? [];
    const received = needs.length === 0 ? 1 : needs.reduce((sum, need) => sum + (givenBy.get(need) ?? 1), 0);
    const gives = outline.steps.get(name)?.processor?.kind === "map" ? received : 1;
    if (received > MAX_SPREAD) {
      const message = `gets more than ${MAX_SPREAD} files for each input, because the steps it needs pass on each other's files again and again`;
      issues.push({
        pointer: pointerTo(["steps", name, "needs"]),
        message,
        suggestion: "Let each step need only those whose files it works on.",
      });
    }
    givenBy.set(name, received > MAX_SPREAD ? 1 : gives);
  }
  return issues;
}

function unknownStep(pointer: string, name: string, names: readonly string[]): Issue {
  return { pointer, message: `there is no step "${name}"`, ...didYouMean(name, names) };
}

/** One issue a circle, at the need of its alphabetically first step that closes it. Steps that merely stand behind a circle are not named. */
function lintCycles(outline: Outline): Issue[] {
  const needsOf = new Map(
    [...outline.steps].map(([name, step]) => [name, step.needs.filter((need) => need !== name && outline.steps.has(need))]),
  );
  const issues: Issue[] = [];
  for (;;) {
    const ordered = new Set(orderSteps(needsOf));
    const start = [...needsOf.keys()].filter((name) => !ordered.has(name)).toSorted()[0];
    if (start === undefined) return issues;
    const cycle = cycleFrom(start, needsOf, ordered);
    const [first = start, second = first] = cycle;
    const index = outline.steps.get(first)?.needs.indexOf(second) ?? 0;
    issues.push({
      pointer: pointerTo(["steps", first, "needs", index]),
      message: `the steps need each other in a circle: ${[...cycle, first].join(" → ")}`,
    });
    needsOf.set(first, needsOf.get(first)?.filter((need) => need !== second) ?? []);
  }
}

/** Walks from need to need among the steps that could not be ordered; each of them has such a need, so a step must come up again. */
function cycleFrom(start: string, needsOf: ReadonlyMap<string, readonly string[]>, ordered: ReadonlySet<string>): string[] {
  const path: string[] = [];
  let name = start;
  while (!path.includes(name)) {
    path.push(name);
    name = needsOf.get(name)?.find((need) => !ordered.has(need)) ?? name;
  }
  const cycle = path.slice(path.indexOf(name));
  const least = cycle.indexOf(cycle.toSorted()[0] ?? name);
  return [...cycle.slice(least), ...cycle.slice(0, least)];
}
