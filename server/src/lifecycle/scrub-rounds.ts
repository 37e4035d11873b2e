import { setTimeout as delay } from "node:timers/promises";
import { scrub, type ScrubOptions } from "./scrub.ts";

export interface ScrubRounds {
  /** Ends within the file under way; another process goes on from there. */
  close(): Promise<void>;
}

const EVERY_MS = 30_000;

/** Has this process look every half minute whether the scrub is its turn. */
export function startScrubRounds(options: ScrubOptions): ScrubRounds {
  const stop = new AbortController();
  const { signal } = stop;

  async function rounds(): Promise<void> {
    while (!signal.aborted) {
      await delay(EVERY_MS * (0.5 + Math.random()), undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const figures = await scrub(options, signal);
        if (figures !== undefined) options.log.info(figures, "every stored file was read and compared");
      } catch (err) {
        if (!signal.aborted) options.log.warn({ err }, "the scrub stopped; the next turn goes on from there");
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
