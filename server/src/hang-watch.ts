export interface HangWatch {
  /** Whoever is watched has answered a question. */
  answered(): void;
  stop(): void;
}

export interface Watched {
  readonly everyMs: number;
  /** Asks; `answered` tells that an answer came. */
  ask(): void;
  /** Told once, when UNANSWERED questions in a row had their time and no answer came; the watch is over then. */
  onHang(): void;
}

/** One may be lost in a long collection of garbage, and two on a machine that has too much to do. */
export const UNANSWERED = 3;
/** Share of the interval by which our own timer may be late: later, we do not know whose silence it was. */
const LATENESS = 0.5;

/**
 * Asks again and again whether somebody's event loop still turns. Where this process itself is held up, or the whole
 * machine was asleep, the count starts anew: answers may lie unread, and the other side had no more time than we.
 */
export function watchForHang({ everyMs, ask, onHang }: Watched): HangWatch {
  let unanswered = 0;
  let tickedAt = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    const isLate = now - tickedAt > everyMs * (1 + LATENESS);
    tickedAt = now;
    if (isLate) unanswered = 0;
    if (unanswered === UNANSWERED) {
      clearInterval(timer);
      return onHang();
    }
    unanswered += 1;
    ask();
  }, everyMs);
  return {
    answered() {
      unanswered = 0;
    },
    stop: () => clearInterval(timer),
  };
}
