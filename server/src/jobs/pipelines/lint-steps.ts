import type { Issue } from "@filemill/contract/errors.ts";
import type { Catalogue } from "../../processors/catalogue.ts";
import { nearest } from "./nearest.ts";
import type { Outline } from "./outline.ts";
import { pointerTo } from "./pointer.ts";

/** Does each step use a processor that exists, and only settings that mean something to its kind? */
export function lintSteps(outline: Outline, catalogue: Catalogue): Issue[] {
  const known = catalogue.list().map((processor) => processor.name);
  return [...outline.steps.values()].flatMap(({ name, use, processor, hasFanIn, hasBatch, asksForCache }) => {
    const at = (key: string) => pointerTo(["steps", name, key]);
    if (use === undefined) return [];
    if (!processor) {
      const meant = nearest(use, known);
      const suggestion = meant === undefined ? `There are ${known.join(", ")}.` : `Did you mean "${meant}"?`;
      return [{ pointer: at("use"), message: `there is no processor "${use}"`, suggestion }];
    }
    const issues: Issue[] = [];
    if (hasFanIn && processor.kind !== "tree") {
      issues.push({
        pointer: at("fan_in"),
        message: `${use} is no tree processor (it is ${processor.kind}), so fan_in means nothing`,
        suggestion: "Leave fan_in out.",
      });
    }
    if (hasBatch && processor.kind !== "map") {
      const suggestion = processor.kind === "tree" ? "Use fan_in for the number of files that one node takes." : "Leave batch out.";
      issues.push({ pointer: at("batch"), message: `${use} is a ${processor.kind} processor: it is not run in batches`, suggestion });
    }
    if (asksForCache && !processor.cacheable) {
      issues.push({ pointer: at("cache"), message: `results of ${use} can't be used again`, suggestion: "Leave cache out." });
    }
    return issues;
  });
}
