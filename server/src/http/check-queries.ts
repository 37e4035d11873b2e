import type { Issue } from "@filemill/contract/errors.ts";
import { isStorable } from "@filemill/contract/text.ts";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { Problem } from "../errors.ts";
import { didYouMean } from "../jobs/pipelines/nearest.ts";
import { pointerTo } from "../jobs/pipelines/pointer.ts";
import { METADATA_PREFIX } from "./metadata-query.ts";

/**
 * For every route: texts of the path and the query can be stored, and the query has no name that the route's schema does
 * not know (a filter that is misspelt would otherwise give everything). A loose schema also takes `metadata.<key>`.
 */
export function checkQueries(app: FastifyInstance): void {
  app.addHook("preValidation", async (request) => {
    const schema: unknown = request.routeOptions.schema?.querystring;
    const query = textsOf(request.query);
    const issues = [
      ...unstorable("params", textsOf(request.params)),
      ...unstorable("querystring", query),
      ...(schema instanceof z.ZodObject
        ? unknownNames(
            schema,
            query.map(([name]) => name),
          )
        : []),
    ];
    if (issues.length === 0) return;
    throw new Problem("validation_failed", "The path or the query is not valid; see issues.", { issues });
  });
}

/** Parsers of paths and queries give texts and arrays of texts. A schema here cost every request 4 % of its CPU time. */
function textsOf(given: unknown): [string, readonly string[]][] {
  if (typeof given !== "object" || given === null) return [];
  return Object.entries(given).map(([name, value]) => [name, [value].flat().filter((text) => typeof text === "string")]);
}

function unstorable(where: string, texts: readonly [string, readonly string[]][]): Issue[] {
  return texts
    .filter(([name, values]) => !isStorable(name) || !values.every(isStorable))
    .map(([name]) => ({ pointer: pointerTo([where, name]), message: "must not hold NUL" }));
}

function unknownNames(schema: z.ZodObject, names: readonly string[]): Issue[] {
  const known = Object.keys(schema.shape);
  const loose = schema.def.catchall instanceof z.ZodUnknown;
  return names
    .filter((name) => !known.includes(name) && !(loose && name.startsWith(METADATA_PREFIX)))
    .map((name) => ({ pointer: pointerTo(["querystring", name]), message: `"${name}" is not known here`, ...didYouMean(name, known) }));
}
