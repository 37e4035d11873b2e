import type { Issue } from "@filemill/contract/errors.ts";
import { isStorable } from "@filemill/contract/text.ts";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { Problem } from "../errors.ts";
import { didYouMean } from "../jobs/pipelines/nearest.ts";
import { pointerTo } from "../jobs/pipelines/pointer.ts";
import { METADATA_PREFIX } from "./metadata-query.ts";

const Texts = z.record(z.string(), z.union([z.string(), z.array(z.string())]).optional());

/**
 * For every route: texts of the path and the query can be stored, and the query has no name that the route's schema does
 * not know (a filter that is misspelt would otherwise give everything). A loose schema also takes `metadata.<key>`.
 */
export function checkQueries(app: FastifyInstance): void {
  app.addHook("preValidation", async (request) => {
    const schema: unknown = request.routeOptions.schema?.querystring;
    const query = Texts.catch({}).parse(request.query);
    const issues = [
      ...unstorable("params", Texts.catch({}).parse(request.params)),
      ...unstorable("querystring", query),
      ...(schema instanceof z.ZodObject ? unknownNames(schema, Object.keys(query)) : []),
    ];
    if (issues.length === 0) return;
    throw new Problem("validation_failed", "The path or the query is not valid; see issues.", { issues });
  });
}

function unstorable(where: string, texts: z.infer<typeof Texts>): Issue[] {
  return Object.entries(texts)
    .filter(([name, value]) => [name, value ?? ""].flat().some((text) => !isStorable(text)))
    .map(([name]) => ({ pointer: pointerTo([where, name]), message: "must not hold NUL" }));
}

function unknownNames(schema: z.ZodObject, names: readonly string[]): Issue[] {
  const known = Object.keys(schema.shape);
  const loose = schema.def.catchall instanceof z.ZodUnknown;
  return names
    .filter((name) => !known.includes(name) && !(loose && name.startsWith(METADATA_PREFIX)))
    .map((name) => ({ pointer: pointerTo(["querystring", name]), message: `"${name}" is not known here`, ...didYouMean(name, known) }));
}
