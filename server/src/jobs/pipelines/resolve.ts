import type { Issue } from "@filemill/contract/errors.ts";
import { PipelineDocument } from "@filemill/contract/pipeline.ts";
import type { Transaction } from "../../db/database.ts";
import { Problem } from "../../errors.ts";
import type { Catalogue } from "../../processors/catalogue.ts";
import { planPipeline } from "../plan-pipeline.ts";
import type { PlannedPipeline } from "../submission.ts";
import { findPipeline } from "./find.ts";
import { lintPipeline } from "./lint.ts";
import { readParamsSchema } from "./params-schema.ts";

/** What a request names: a stored or built-in pipeline (`name`, `name@version`) or a document, and its parameters. */
export interface PipelineRequest {
  readonly pipeline: string | Readonly<Record<string, unknown>>;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
}

/** Name of a job's pipeline whose document came with the request and has none. */
const INLINE = "inline";

/**
 * Finds, lints and plans the pipeline of a request, inside a transaction of the tenant. Throws Problem not_found (with
 * the name that was probably meant) or validation_failed with every issue; pointers into a document that came with the
 * request begin with /pipeline, those of parameters with /params.
 */
export async function resolvePipeline(transaction: Transaction, request: PipelineRequest, catalogue: Catalogue): Promise<PlannedPipeline> {
  const { pipeline, params = {} } = request;
  if (typeof pipeline !== "string") {
    const document = lintedDocument(pipeline, catalogue);
    return { name: document.name ?? INLINE, version: null, ...planned(document, params, catalogue) };
  }
  const found = await findPipeline(transaction, pipeline);
  const document = lintedStored(found.document, pipeline, catalogue);
  return { name: found.name, version: found.version, ...planned(document, params, catalogue) };
}

/** A document that may be anything, as a linted one. Throws Problem validation_failed. */
export function lintedDocument(document: unknown, catalogue: Catalogue, at = "/pipeline"): PipelineDocument {
  const issues = lintPipeline(document, catalogue).map((issue) => ({ ...issue, pointer: at + issue.pointer }));
  if (issues.length > 0) throw refusal("The pipeline has mistakes", issues);
  return PipelineDocument.parse(document);
}

/** A stored document was sound when it was stored; a processor that it uses may have gone or changed since. */
function lintedStored(document: PipelineDocument, reference: string, catalogue: Catalogue): PipelineDocument {
  const issues = lintPipeline(document, catalogue);
  if (issues.length > 0) throw refusal(`The pipeline "${reference}" does not fit the processors of this platform any more`, issues);
  return document;
}

function planned(document: PipelineDocument, params: Readonly<Record<string, unknown>>, catalogue: Catalogue) {
  return { document, params: readParamsSchema(document.params).accept(params).values, plan: planPipeline(document, params, catalogue) };
}

function refusal(what: string, issues: readonly Issue[]): Problem {
  const [first] = issues;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
  return new Problem("validation_failed", `${what}: ${first?.pointer || "the document"}: ${first?.message}${more}.`, { issues });
}
