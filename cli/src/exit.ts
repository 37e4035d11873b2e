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
  130  interrupted`;

/** A failure that is explained already: one or two plain lines and the exit code. */
export class CliError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = EXIT.failure, options?: ErrorOptions) {
    super(message, options);
    this.name = "CliError";
    this.exitCode = exitCode;
  }
}

/** The lines for stderr and the exit code for any error: what happened, then what to do next. */
export function explain(error: unknown): { lines: string[]; exitCode: number } {
  if (error instanceof CliError) return { lines: error.message.split("\n"), exitCode: error.exitCode };
  if (error instanceof FilemillError) return explainAnswer(error);
  if (error instanceof Error && error.name === "AbortError") return { lines: ["Interrupted."], exitCode: EXIT.interrupted };
  if (error instanceof Error && "code" in error && typeof error.code === "string" && "path" in error) {
    return {
      lines: [`${String(error.path)}: ${fileTrouble(error.code)}`],
      exitCode: error.code === "ENOENT" ? EXIT.notFound : EXIT.failure,
    };
  }
  return { lines: [error instanceof Error ? error.message : String(error)], exitCode: EXIT.failure };
}

function explainAnswer(error: FilemillError): { lines: string[]; exitCode: number } {
  const issues = error.issues.map(issueLine);
  const lines = [error.detail, ...issues];
  const next = NEXT[error.code];
  if (next !== undefined && issues.length === 0) lines.push(next);
  if (error.retryAfter !== undefined) lines.push(`Try again in ${Math.ceil(error.retryAfter)} s.`);
  return { lines, exitCode: exitCodeOf(error) };
}

export function issueLine(issue: { pointer: string; message: string; suggestion?: string | undefined }): string {
  const suggestion = issue.suggestion === undefined ? "" : ` ${issue.suggestion}`;
  return `  ${issue.pointer || "/"}: ${issue.message}${suggestion}`;
}

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
