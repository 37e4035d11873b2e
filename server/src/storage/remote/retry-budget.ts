/**
 * What retries may cost a store that is in trouble: each request earns half a retry, at most 50 are saved. With a fifth of
 * all requests failing an operation needs 0.25 retries, so that all of them are served; a store that fails everything gets
 * 1.5 times its usual load, not 6 times.
 */
export interface RetryBudget {
  requested(): void;
  /** True: go on; one retry is taken from what is saved. */
  mayRetry(): boolean;
}

const EARNED_BY_REQUEST = 0.5;
const MOST_SAVED = 50;

export function createRetryBudget(): RetryBudget {
  let saved = MOST_SAVED;
  return {
    requested() {
      saved = Math.min(MOST_SAVED, saved + EARNED_BY_REQUEST);
    },
    mayRetry() {
      if (saved < 1) return false;
      saved -= 1;
      return true;
    },
  };
}
