import { setTimeout as delay } from "node:timers/promises";
import { StorageError } from "../../errors.ts";

/** A replica that lags catches up within so long, mostly. */
const ASKED_AGAIN_MS = [40, 160, 500];

/** For an object that the database, or our own write a moment ago, says is there: a 404 is more likely to be wrong than right. */
export const SURELY_THERE = ASKED_AGAIN_MS.length;

/**
 * What `ask` resolves to. Where it rejects not_found it is asked again, `times` times at most, before that is believed: a
 * replica that lags, or a proxy, answers 404 for what is there.
 */
export async function doubtMissing<T>(
  ask: () => Promise<T>,
  { times, signal }: { times: number; signal?: AbortSignal | undefined },
): Promise<T> {
  for (const wait of ASKED_AGAIN_MS.slice(0, times)) {
    try {
      return await ask();
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    await delay(wait, undefined, signal && { signal });
  }
  return await ask();
}

export function isMissing(error: unknown): error is StorageError {
  return error instanceof StorageError && error.code === "not_found";
}
