import type { Issue } from "@filemill/contract/errors.ts";
import { FilemillError } from "@filemill/sdk/error.ts";

/** What a shell can tell apart; documented in `filemill --help`. */
export const EXIT = { ok: 0, failure: 1, usage: 2, notFound: 3, refused: 4, unavailable: 5, interrupted: 130 } as const;

export const EXIT_CODES_HELP = `
Exit codes:
  0    done
  1    failed (also: a job that ended as failed or cancelled, a pipeline with problems)
  2    wrong usage, or a request that the server calls invalid
  3    there is no such file, job or pipeline
  4    the key is missing, wrong or not allowed to do this
  5    the server can't be reached, is busy or not ready
  130  interrupted

With --json an error is one JSON document on stderr: {"code", "detail", "issues"}.`;

type CliErrorOptions = ErrorOptions & {
  /** For programs; by the exit code unless told. */
  readonly code?: string;
  readonly issues?: readonly Issue[];
};

/** A failure that is explained already: one or two plain lines and the exit code. */
export class CliError extends Error {
  readonly exitCode: number;
  readonly code: string;
  readonly issues: readonly Issue[];
  constructor(message: string, exitCode: number = EXIT.failure, options: CliErrorOptions = {}) {
    super(message, options);
    this.name = "CliError";
    this.exitCode = exitCode;
    this.code = options.code ?? CODES[exitCode] ?? "failed";
    this.issues = options.issues ?? [];
  }
}

/** What --json prints of an error. `code` is the server's where the server refused; it never changes its meaning. */
export interface ErrorDocument {
  readonly code: string;
  readonly detail: string;
  readonly issues: readonly Issue[];
}

interface Explained {
  /** For people: what happened, then what to do next. */
  readonly lines: string[];
  readonly exitCode: number;
  readonly document: ErrorDocument;
}

/** Any error, for people and for programs. */
export function explain(error: unknown): Explained {
  if (error instanceof FilemillError) return explainAnswer(error);
  if (error instanceof CliError) {
    const { message: detail, exitCode, code, issues } = error;
    return { lines: [...detail.split("\n"), ...issues.map(issueLine)], exitCode, document: { code, detail, issues } };
  }
  if (error instanceof Error && error.name === "AbortError") return plain("Interrupted.", EXIT.interrupted);
  if (error instanceof Error && "code" in error && typeof error.code === "string" && "path" in error) {
    return plain(`${String(error.path)}: ${fileTrouble(error.code)}`, error.code === "ENOENT" ? EXIT.notFound : EXIT.failure);
  }
  return plain(error instanceof Error ? error.message : String(error), EXIT.failure);
}

function plain(detail: string, exitCode: number): Explained {
  return { lines: [detail], exitCode, document: { code: CODES[exitCode] ?? "failed", detail, issues: [] } };
}

function explainAnswer(error: FilemillError): Explained {
  const { code, detail, issues } = error;
  const lines = [headline(error), ...issues.map(issueLine)];
  const next = NEXT[code];
  if (next !== undefined && issues.length === 0) lines.push(next);
  if (error.retryAfter !== undefined) lines.push(`Try again in ${Math.ceil(error.retryAfter)} s.`);
  return { lines, exitCode: exitCodeOf(error), document: { code, detail, issues } };
}

/** A detail may quote the first issue ("The pipeline has mistakes: /steps/a: … (and 2 more)."), which has a line of its own. */
function headline({ detail, issues: [first] }: FilemillError): string {
  const quoted = first === undefined ? -1 : detail.indexOf(first.message);
  if (first === undefined || quoted < 0) return detail;
  const before = detail.slice(0, quoted).replace(/[:\s]+$/, "");
  const place = first.pointer || "the document";
  const said = (before.endsWith(place) ? before.slice(0, -place.length) : before).replace(/[:\s]+$/, "");
  return said === "" ? detail : `${said}:`;
}

export function issueLine({ pointer, message, suggestion }: Issue): string {
  const end = /[.!?]$/.test(message) ? "" : ".";
  return `  ${pointer || "/"}: ${message}${suggestion === undefined ? "" : `${end} ${suggestion}`}`;
}

const CODES: Readonly<Record<number, string>> = {
  [EXIT.failure]: "failed",
  [EXIT.usage]: "wrong_usage",
  [EXIT.notFound]: "not_found",
  [EXIT.refused]: "forbidden",
  [EXIT.unavailable]: "unavailable",
  [EXIT.interrupted]: "interrupted",
};

const NEXT: Readonly<Record<string, string>> = {
  unreachable: "Start the platform with `filemill up`, or set FILEMILL_URL; `filemill doctor` looks for the cause.",
  unauthenticated: "Set FILEMILL_KEY to a valid API key, or FILEMILL_DATA_DIR to the data folder that holds admin.key.",
  forbidden: "Use a key with more rights.",
  disk_full: "Free some space where the server keeps its data, then try again.",
};

function exitCodeOf(error: FilemillError): number {
  if (error.status === 0 && error.code === "unreachable") return EXIT.unavailable;
  if (error.status === 404) return EXIT.notFound;
  if (error.status === 401 || error.status === 403) return EXIT.refused;
  if (error.status === 429 || error.status === 503) return EXIT.unavailable;
  if (error.code === "validation_failed") return EXIT.usage;
  return EXIT.failure;
}

function fileTrouble(code: string): string {
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "no such file or folder.",
    EACCES: "not readable or writable for this user.",
    EISDIR: "is a folder.",
    ENOTDIR: "is no folder.",
    EROFS: "the file system is read-only.",
    ENOSPC: "no space left on the disk.",
  };
  return reasons[code] ?? code;
}
