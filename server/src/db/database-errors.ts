/**
 * Is this the database being away (stopped, restarting, unreachable, out of connections), rather than a refusal of the
 * statement? Then the same work may be done again later, and nobody is to blame.
 *
 * Class 08 connection exception, 57P01–57P05 shutdown, crash or terminated backend, 53300 too many connections (PostgreSQL
 * Appendix A); Node's socket errors; and pg's own messages for a connection that ended under a query. Deadlock and
 * serialization failures (40P01, 40001) are also worth another try.
 */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (/^(08|57P0)/.test(code) || RETRYABLE.has(code)) return true;
  if (error instanceof AggregateError) return error.errors.some(isDatabaseAway);
  return /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed)/.test(
    error.message,
  );
}

const RETRYABLE = new Set([
  "53300",
  "40P01",
  "40001",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOENT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);
