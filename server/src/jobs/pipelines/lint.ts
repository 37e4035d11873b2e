import type { Issue } from "@filemill/contract/errors.ts";
import { PipelineDocument } from "@filemill/contract/pipeline.ts";
import type { Catalogue } from "../../processors/catalogue.ts";
import { checkDocumentLimits } from "./document-limits.ts";
import { lintGraph } from "./lint-graph.ts";
import { lintMedia } from "./lint-media.ts";
import { lintParameters } from "./lint-parameters.ts";
import { lintSteps } from "./lint-steps.ts";
import { lintTriggers } from "./lint-triggers.ts";
import { outlineOf } from "./outline.ts";
import { issuesOfZod } from "./zod-issues.ts";

/**
 * Everything that is wrong with a pipeline document, at once: each with a JSON pointer into the document and, where one
 * can be guessed, what was probably meant. An empty list means that the document is a PipelineDocument that plans with
 * any parameters that its own schema takes and its processors do not refuse.
 */
export function lintPipeline(document: unknown, catalogue: Catalogue): Issue[] {
  const unfit = checkDocumentLimits(document);
  if (unfit.length > 0) return unfit;
  const parsed = PipelineDocument.safeParse(document, { reportInput: true });
  const outline = outlineOf(document, catalogue);
  const issues = [
    ...(parsed.success ? [] : issuesOfZod(parsed.error, { path: [], schema: PipelineDocument })),
    ...lintGraph(outline),
    ...lintSteps(outline, catalogue),
    ...lintMedia(outline),
    ...lintParameters(outline),
  ];
  if (issues.length === 0 && parsed.success) return lintTriggers(parsed.data, catalogue);
  return issues.filter((issue, index) => issues.findIndex((other) => isSame(issue, other)) === index);
}

function isSame(left: Issue, right: Issue): boolean {
  return left.pointer === right.pointer && left.message === right.message;
}
