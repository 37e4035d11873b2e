import type { Issue, ItemCode, ProblemCode } from "@filemill/contract/errors.ts";

/**
 * A refusal that the caller can do something about. `code` is stable; the message names the thing and what to do next.
 * The HTTP status follows from the code in http/render-error.ts and nowhere else.
 */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly issues: readonly Issue[] | undefined;
  readonly retryAfterSeconds: number | undefined;
  /** Further members of the answer (RFC 9457 §3.2): what was done all the same, for one. */
  readonly members: Readonly<Record<string, unknown>> | undefined;
  constructor(
    code: ProblemCode,
    message: string,
    options: { issues?: readonly Issue[]; retryAfterSeconds?: number; members?: Readonly<Record<string, unknown>>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Problem";
    this.code = code;
    this.issues = options.issues;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.members = options.members;
  }
}

/** A foreign id answers exactly as an absent one. */
export function notFound(what: string, id: string): Problem {
  return new Problem("not_found", `There is no ${what} "${id}".`);
}

/**
 * Trouble with an object store. `unavailable` passes with time; `disk_full` when space returns. `damaged`: an object is
 * there, but is not what was stored; like `not_found` for an object with a row, no retry helps. `archived`: the store must
 * bring the object back before it can be read, see ObjectStore.setClass.
 */
export class StorageError extends Error {
  readonly code: "not_found" | "damaged" | "exists" | "archived" | "disk_full" | "unavailable";
  constructor(code: StorageError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StorageError";
    this.code = code;
  }
}

/** The configuration can't be used; every bad variable is named, one a line. */
export class ConfigError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`The configuration can't be used:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/**
 * Why work failed, which decides what it costs. bad_input ends the item at once; crashed, timeout and
 * resource_exhausted count as attempts, and so does external (a place outside that inputs come from did not give them);
 * lost is an expired lease (counted apart, in `losses`); infrastructure (database,
 * store or broker away) and drains count nothing.
 */
export const FAILURE_CLASSES = ["bad_input", "crashed", "timeout", "resource_exhausted", "external", "lost", "infrastructure"] as const;
export type FailureClass = (typeof FAILURE_CLASSES)[number];

export interface Failure {
  readonly class: FailureClass;
  readonly code: ItemCode;
  readonly message: string;
}
