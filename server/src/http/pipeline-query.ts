import { isStorable, StorableObject } from "@filemill/contract/text.ts";
import { Problem } from "../errors.ts";
import type { PipelineRequest } from "../jobs/pipelines/resolve.ts";
import { parseJson } from "../parse-json.ts";

/**
 * `pipeline` (a name, or a document as JSON) and `params` (JSON) of a query string, for requests whose body is content.
 * What is wrong with a document is for the linter to say. Throws Problem `validation_failed`.
 */
export function pipelineOf({
  pipeline,
  params,
}: {
  pipeline?: string | undefined;
  params?: string | undefined;
}): PipelineRequest | undefined {
  const given = params === undefined ? undefined : objectOf("params", params);
  if (pipeline === undefined) {
    if (given !== undefined) throw wrong("params", "needs a pipeline beside it");
    return undefined;
  }
  const named = pipeline.trimStart().startsWith("{") ? objectOf("pipeline", pipeline) : pipeline;
  if (typeof named === "string" && !isStorable(named)) throw wrong("pipeline", "must not hold NUL");
  return { pipeline: named, params: given };
}

function objectOf(name: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw wrong(name, `can't be read as JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parsed = StorableObject.safeParse(value);
  if (parsed.success) return parsed.data;
  throw wrong(name, parsed.error.issues[0]?.message ?? "is no JSON object");
}

function wrong(name: string, message: string): Problem {
  const issues = [{ pointer: `/querystring/${name}`, message }];
  return new Problem("validation_failed", `"${name}" in the query ${message}.`, { issues });
}
