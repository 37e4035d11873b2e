/**
 * This process's clocks, for what never leaves it: caches, timeouts, and a worker's own stop before its lease can have
 * ended. Everything that several processes must agree on is timed by the database.
 */
export interface Clock {
  /** Wall clock; may jump. */
  now(): Date;
  /** Milliseconds since some moment; only ever grows. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonicMs: () => performance.now(),
};
