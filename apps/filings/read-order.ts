/** Jobs that one request may make. */
const MOST = 10;

export type Order = { readonly numJobs: number } | { readonly error: string };

/**
 * `num_jobs` of POST /create-job: 1 where it is left out; fractions are cut off, true is 1 and false 0, digits as text are
 * a number, as the clients of this interface are used to.
 */
export function readOrder(body: unknown): Order {
  if (body !== undefined && (typeof body !== "object" || body === null || Array.isArray(body))) return NOT_A_NUMBER;
  const given: unknown = body !== undefined && "num_jobs" in body ? body.num_jobs : 1;
  const numJobs = wholeNumber(given);
  if (numJobs === undefined) return NOT_A_NUMBER;
  return numJobs >= 1 && numJobs <= MOST ? { numJobs } : { error: `num_jobs must be between 1 and ${MOST}` };
}

const NOT_A_NUMBER = { error: "num_jobs must be a valid integer" };
const DIGITS = /^\s*[+-]?\d{1,15}\s*$/;

function wholeNumber(given: unknown): number | undefined {
  if (typeof given === "boolean") return Number(given);
  if (typeof given === "number") return Number.isFinite(given) ? Math.trunc(given) : undefined;
  return typeof given === "string" && DIGITS.test(given) ? Number(given) : undefined;
}
