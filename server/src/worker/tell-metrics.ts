import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import { tellMetrics } from "../record/metric-sources.ts";
import type { CountedMetric } from "../telemetry/counted.ts";

/** What a killed process takes with it is what it counted since then. */
const EVERY_MS = 5_000;
const LAST_TRIES = 3;
const RETRY_MS = 500;

/**
 * Tells the database what this process has counted, every few seconds and at its end, because nobody would come to scrape
 * one that lives for seconds. The last telling is tried again: it is always the whole, so that none counts twice.
 */
export function openMetricsTeller(options: {
  readonly database: Database;
  /** Of this process. */
  readonly id: string;
  readonly counted: () => Promise<readonly CountedMetric[]>;
  readonly log: Logger;
}): { close(): Promise<void> } {
  const { database, id, counted, log } = options;
  let sequence = 0;
  let telling: Promise<void> | undefined;

  async function tell(ended: boolean): Promise<void> {
    sequence += 1;
    const source = { id, sequence, metrics: await counted(), ended };
    await database.asSystem((transaction) => tellMetrics(transaction, source));
  }

  const timer = setInterval(() => {
    telling ??= tell(false)
      .catch((err: unknown) => log.warn({ err }, "measurements could not be told; the next time tells them too"))
      .finally(() => {
        telling = undefined;
      });
  }, EVERY_MS);

  return {
    async close() {
      clearInterval(timer);
      await telling;
      for (let attempt = 1; ; attempt++) {
        try {
          return await tell(true);
        } catch (err) {
          if (attempt === LAST_TRIES) return log.warn({ err }, "the last measurements could not be told and are lost");
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        }
      }
    },
  };
}
