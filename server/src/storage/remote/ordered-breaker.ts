import type { IBreaker } from "cockatiel";

/**
 * Opens after so many failures in a row, in the order in which the requests began. In the order in which they end, the
 * failures of many at once come first, because a refusal is quicker than success: of 16 requests to a server that refused
 * a fifth of them, the eight quickest answers were refusals, retries among them, before one request had succeeded.
 */
export interface OrderedBreaker extends IBreaker {
  /** A request begins; tell how it ended before the breaker is told. */
  begin(): Attempt;
}

export interface Attempt {
  end(how: "answered" | "failed"): void;
  /** It says nothing about the server. */
  forget(): void;
}

/** A request without an answer is waited for so long before it is passed over. */
const WAITED_FOR_MS = 5_000;

interface Entry {
  readonly begunAt: number;
  how: "under way" | "answered" | "failed" | "forgotten";
}

export function createOrderedBreaker(failuresToOpen: number): OrderedBreaker {
  let entries: Entry[] = [];
  let inARow = 0;

  function settle(): void {
    let settled = 0;
    for (const { begunAt, how } of entries) {
      if (how === "under way" && performance.now() - begunAt < WAITED_FOR_MS) break;
      if (how === "answered") inARow = 0;
      if (how === "failed") inARow++;
      settled++;
      if (inARow >= failuresToOpen) break;
    }
    entries = entries.slice(settled);
  }

  function reset(): void {
    entries = [];
    inARow = 0;
  }

  return {
    // Of cockatiel, for breakers that are saved and restored; this one never is.
    state: undefined,
    begin() {
      const entry: Entry = { begunAt: performance.now(), how: "under way" };
      entries.push(entry);
      return {
        end(how) {
          entry.how = how;
          if (how === "answered") settle();
        },
        forget() {
          entry.how = "forgotten";
          settle();
        },
      };
    },
    success: () => {},
    failure() {
      settle();
      if (inARow < failuresToOpen) return false;
      reset();
      return true;
    },
  };
}
