/**
 * Is this the database being away (stopped, restarting, unreachable, out of connections) or busy with somebody else's
 * rows, rather than a refusal of the statement? Then the same work may be done again later, and nobody is to blame.
 *
 * Class 08 connection exception, 57P01–57P05 shutdown, crash or terminated backend, 53300 too many connections (PostgreSQL
 * Appendix A); Node's socket errors; and pg's own messages for a connection that ended under a query. Deadlock and
 * serialization failures (40P01, 40001) are also worth another try, and so is what ran into a limit of its transaction
 * (database.ts): 57014 a statement that took too long or was cancelled, 55P03 a lock, 25P03 and 25P04 the transaction.
 */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (/^(08|57P0)/.test(code) || RETRYABLE.has(code)) return true;
  // The Unix socket of a server that is down. Any other file that is missing is no matter of the database.
  if (code === "ENOENT") return "syscall" in error && error.syscall === "connect";
  if (error instanceof AggregateError) return error.errors.some(isDatabaseAway);
  return /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|Query read timeout)/.test(
    error.message,
  );
}

/** A row that the work needs is held by another transaction, which is likely to end within the second. */
export function isLocked(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "55P03";
}

const RETRYABLE = new Set([
  "57014",
  "55P03",
  "25P03",
  "25P04",
  "53300",
  "40P01",
  "40001",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

/** What keeps a process from its database when it starts, with what to do about it; undefined where it is something else. */
export function whyUnreachable(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const reason = error instanceof Error && error.message !== "" ? error.message : String(code);
  switch (code) {
    case "28P01":
    case "28000":
      return `The database refuses the login: ${reason}. Check the user and the password in FILEMILL_DATABASE_URL.`;
    case "3D000":
      return `There is no such database: ${reason}. Create it, or name another in FILEMILL_DATABASE_URL.`;
    case "ECONNREFUSED":
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "ETIMEDOUT":
    case "EHOSTUNREACH":
      return `The database can't be reached: ${reason}. Check that it runs, and the host and port in FILEMILL_DATABASE_URL.`;
    default:
      return undefined;
  }
}
