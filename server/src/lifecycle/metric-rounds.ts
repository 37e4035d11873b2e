import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import { foldMetrics } from "../record/metric-sources.ts";

const EVERY_MS = 60_000;

/** Folds what processes that are over have counted, so that a thousand of them a minute stay a few rows. */
export function startMetricRounds({ database, log }: { database: Database; log: Logger }): { close(): Promise<void> } {
  const stop = new AbortController();
  const { signal } = stop;

  async function rounds(): Promise<void> {
    for (;;) {
      await delay(EVERY_MS * (0.5 + Math.random()), undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      await database
        .asSystem(foldMetrics)
        .catch((err: unknown) =>
          log.warn({ err }, "the measurements of processes that are over could not be added up; the next round does"),
        );
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
