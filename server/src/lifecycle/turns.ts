import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";

export interface Turns {
  /** Ends within the file under way; another process goes on from there. */
  close(): Promise<void>;
}

const EVERY_MS = 30_000;

/** Has this process look every half minute whether it may take a turn at a walk over all files. */
export function startTurns(options: {
  readonly turn: (signal: AbortSignal) => Promise<object | undefined>;
  /** What to say of a walk that came to its end, with its figures. */
  readonly ended: string;
  readonly log: Logger;
}): Turns {
  const { turn, ended, log } = options;
  const stop = new AbortController();
  const { signal } = stop;

  async function rounds(): Promise<void> {
    while (!signal.aborted) {
      await delay(EVERY_MS * (0.5 + Math.random()), undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const figures = await turn(signal);
        if (figures !== undefined) log.info(figures, ended);
      } catch (err) {
        if (!signal.aborted) log.warn({ err }, "a walk over all files stopped; the next turn goes on from there");
      }
    }
  }

  const running = rounds();
  return {
    async close() {
      stop.abort();
      await running;
    },
  };
}
