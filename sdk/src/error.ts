import type { Issue, Problem } from "@filemill/contract/errors.ts";

/**
 * Every failure of a call. `code` is one of the stable codes of the server, or one of three of our own: `unreachable`
 * (no answer at all, status 0), `digest_mismatch` (a download arrived damaged, status 0) and `bad_answer` (something
 * other than Filemill answered).
 */
export class FilemillError extends Error {
  readonly code: string;
  /** HTTP status; 0 where there was no answer. */
  readonly status: number;
  readonly detail: string;
  readonly issues: readonly Issue[];
  /** Seconds the server asks to wait before the next try. */
  readonly retryAfter: number | undefined;
  constructor(failure: FailureOfCall) {
    super(failure.detail, failure.cause === undefined ? undefined : { cause: failure.cause });
    this.name = "FilemillError";
    this.code = failure.code;
    this.status = failure.status;
    this.detail = failure.detail;
    this.issues = failure.issues ?? [];
    this.retryAfter = failure.retryAfter;
  }
}

export interface FailureOfCall {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly issues?: readonly Issue[] | undefined;
  readonly retryAfter?: number | undefined;
  readonly cause?: unknown;
}

/** Reads an answer that is not 2xx (its body is consumed). */
export async function errorFromAnswer(response: Response): Promise<FilemillError> {
  const retryAfter = retryAfterSeconds(response.headers.get("retry-after"));
  const text = await response.text().catch(() => "");
  const problem = parseProblem(text);
  if (problem) {
    return new FilemillError({
      code: problem.code,
      status: response.status,
      detail: problem.detail ?? problem.title,
      issues: problem.issues,
      retryAfter,
    });
  }
  return new FilemillError({
    code: response.status === 503 ? "unavailable" : "bad_answer",
    status: response.status,
    detail: `${response.url || "The server"} answered ${response.status} ${response.statusText} without a reason; is it a Filemill server?`,
    retryAfter,
  });
}

export function unreachable(url: string, cause: unknown): FilemillError {
  return new FilemillError({ code: "unreachable", status: 0, detail: `No answer from ${url} (${reasonOf(cause)}).`, cause });
}

function parseProblem(text: string): Problem | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isProblem = typeof value === "object" && value !== null && "code" in value && typeof value.code === "string";
    return isProblem ? (value as Problem) : undefined;
  } catch {
    return undefined;
  }
}

/** RFC 9110 §10.2.3: delay seconds or an HTTP date. */
function retryAfterSeconds(header: string | null): number | undefined {
  if (header === null || header.trim() === "") return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds);
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, (date - Date.now()) / 1_000);
}

/** fetch says only "fetch failed"; the useful part ("ECONNREFUSED") is in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return reasonOf(error.cause);
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  return code ?? error.message;
}
