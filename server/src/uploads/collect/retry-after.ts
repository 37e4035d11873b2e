/** Milliseconds that an answer's Retry-After asks for (RFC 9110 §10.2.3: seconds, or a date); 0 where it asks for nothing. */
export function readRetryAfter(value: string | undefined, now: number = Date.now()): number {
  if (value === undefined) return 0;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1_000;
  // Date.parse takes "-5" for the year 2001.
  const date = value.endsWith("GMT") ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}
