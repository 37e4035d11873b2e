import { STATUS_CODES } from "node:http";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import { PROBLEM_STATUS, type Problem as ProblemBody, type ProblemCode } from "@filemill/contract/errors.ts";
import { isDatabaseAway, isLocked } from "../db/database-errors.ts";
import { Problem, StorageError } from "../errors.ts";
import { allowedMethods } from "./allowed-methods.ts";
import { invalidRequest } from "./invalid-request.ts";

/** How long a client should wait for a database or a store to come back. */
const RETRY_AFTER_SECONDS = 5;

/** Makes every failure of a route an `application/problem+json` answer; the only place that knows HTTP statuses. */
export function renderErrors(app: FastifyInstance): void {
  const methodsOf = allowedMethods(app);
  app.setErrorHandler((error, request, reply) => answer(toProblem(error), error, request, reply));
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?", 1)[0] ?? "";
    const allowed = methodsOf(path);
    // RFC 9110 §15.5.6: a 405 says what is allowed.
    if (allowed.length > 0) reply.header("allow", allowed.join(", "));
    const code = allowed.length > 0 ? "method_not_allowed" : "not_found";
    const hint = allowed.length > 0 ? `it takes ${allowed.join(", ")}` : "see /openapi.json";
    const problem = new Problem(code, `There is no ${request.method} ${path}; ${hint}.`);
    answer(problem, problem, request, reply);
  });
}

/** For what Fastify refuses before any hook runs, such as a path that can't be decoded. */
export function renderFrameworkError(error: Error, request: FastifyRequest, reply: FastifyReply): void {
  answer(toProblem(error), error, request, reply);
}

/** What a caller is told about an error. Everything that nobody foresaw is `internal`, without its text. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof StorageError) return fromStorage(error);
  if (hasZodFastifySchemaValidationErrors(error)) return invalidRequest(error.validation, error.validationContext);
  const fromFastify = fastifyProblem(error);
  if (fromFastify !== undefined) return fromFastify;
  const fromDatabase = databaseProblem(error);
  if (fromDatabase !== undefined) return fromDatabase;
  return new Problem("internal", "Something went wrong here. The request id helps the operator to find it in the log.", { cause: error });
}

function answer(problem: Problem, error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const status = PROBLEM_STATUS[problem.code];
  // Of a client that went away nobody reads the answer, and its going is no fault of ours.
  if (request.raw.destroyed && !request.raw.complete) request.log.info({ err: error }, "client gone");
  else if (status >= 500) request.log.error({ err: error, code: problem.code }, "request failed");
  if (problem.retryAfterSeconds !== undefined) reply.header("retry-after", problem.retryAfterSeconds);
  const body = { ...bodyOf(problem), instance: `urn:request:${request.id}` };
  // Serialized here: a route's response schema is about its success, and Fastify would apply it to a body that it knows.
  reply
    .code(status)
    .type("application/problem+json")
    .serializer((payload: unknown) => JSON.stringify(payload))
    .send(body);
}

export function bodyOf(problem: Problem): ProblemBody {
  const status = PROBLEM_STATUS[problem.code];
  return {
    type: "about:blank",
    title: STATUS_CODES[status] ?? "Error",
    status,
    code: problem.code,
    detail: problem.message,
    ...(problem.issues === undefined ? {} : { issues: [...problem.issues] }),
    ...problem.members,
  };
}

function fromStorage(error: StorageError): Problem {
  const options = { retryAfterSeconds: RETRY_AFTER_SECONDS, cause: error };
  if (error.code === "disk_full") return new Problem("disk_full", "There is no space left to store this. Try again later.", options);
  if (error.code === "archived") {
    const detail =
      "The file lies in an archive. Have it brought back with POST /api/v1/files/{id}/restore, and try again when its storage_class is hot.";
    return new Problem("conflict", detail, { cause: error });
  }
  // not_found: a committed row whose object the store does not give. It may be back (a mount, a replica) on the next try.
  return new Problem("unavailable", "The object store can't serve this now. Try again later.", options);
}

/** Fastify's own refusals, https://fastify.dev/docs/latest/Reference/Errors/. */
const FASTIFY_PROBLEMS: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ["file_too_large", "The body is larger than this route takes. Send files to POST /api/v1/files."],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ["type_not_allowed", "This route does not take that Content-Type; see /openapi.json."],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ["length_mismatch", "The body is not as long as Content-Length says."],
  FST_ERR_CTP_INVALID_JSON_BODY: ["validation_failed", "The body is not valid JSON."],
  FST_ERR_CTP_EMPTY_JSON_BODY: ["validation_failed", "The body is empty; it has to be JSON."],
  FST_ERR_MAX_PARAM_LENGTH: ["validation_failed", "A part of the path is too long."],
  FST_ERR_BAD_URL: ["validation_failed", "The path is not valid percent-encoding of UTF-8."],
};

function fastifyProblem(error: unknown): Problem | undefined {
  const code = codeOf(error);
  const known = code === undefined ? undefined : FASTIFY_PROBLEMS[code];
  if (known !== undefined) return new Problem(known[0], known[1], { cause: error });
  // The JSON parser's own errors (syntax, __proto__ in a body) carry only a status.
  if (error instanceof SyntaxError && "statusCode" in error && error.statusCode === 400) {
    return new Problem("validation_failed", "The body is not valid JSON.", { cause: error });
  }
  return undefined;
}

/**
 * A value that PostgreSQL does not take: character_not_in_repertoire, untranslatable_character, invalid_text_representation,
 * numeric_value_out_of_range, and the three of dates. The schemas refuse it first; this is for what they forgot.
 */
const UNSTORABLE: ReadonlySet<string> = new Set(["22021", "22P05", "22P02", "22003", "22007", "22008", "22009"]);

/** Nothing was committed that the caller was told of, so that a retry is right. 53100 is PostgreSQL's own disk being full. */
function databaseProblem(error: unknown): Problem | undefined {
  if (UNSTORABLE.has(codeOf(error) ?? "")) {
    return new Problem("validation_failed", "The request holds a value that can't be stored, such as NUL in a text.", { cause: error });
  }
  const options = { retryAfterSeconds: RETRY_AFTER_SECONDS, cause: error };
  if (codeOf(error) === "53100") return new Problem("disk_full", "There is no space left to store this. Try again later.", options);
  if (isLocked(error)) {
    const detail = "Other work holds what this request needs, and did not end within 5 s. Nothing was done; send it again.";
    return new Problem("unavailable", detail, { retryAfterSeconds: 1, cause: error });
  }
  if (!isDatabaseAway(error)) return undefined;
  return new Problem("unavailable", "The database can't serve this now. Try again later.", options);
}

function codeOf(error: unknown): string | undefined {
  return typeof error === "object" && error !== null && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
