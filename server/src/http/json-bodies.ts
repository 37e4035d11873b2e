import type { FastifyInstance } from "fastify";
import { Problem } from "../errors.ts";
import { checkComplexity, JsonTooComplex } from "../parse-json.ts";

/** Fastify's own parser of JSON bodies (which refuses `__proto__`), behind a look at how much the body would become. */
export function parseJsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body: string, done) => {
    try {
      checkComplexity(body);
    } catch (error) {
      return done(error instanceof JsonTooComplex ? tooComplex(error) : asError(error), undefined);
    }
    return parse(request, body, done);
  });
}

function tooComplex(error: JsonTooComplex): Problem {
  return new Problem("validation_failed", `The body can't be taken: ${error.message}.`, {
    issues: [{ pointer: "", message: error.message }],
  });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
