import { setTimeout as delay } from "node:timers/promises";
import { sql } from "../db/sql.ts";
import { collectGarbage, type GarbageOptions } from "./collect-garbage.ts";

export interface GarbageRounds {
  /** Ends after the batch under way. */
  close(): Promise<void>;
}

const EVERY_MS = 5 * 60_000;
/** A round that takes longer loses its turn, not its work: every batch of it is a transaction of its own. */
const TURN = { idleMs: 3_600_000 };
/** Any number that no other lock uses. */
const LOCK = 7_204_117;

/**
 * Collects garbage every few minutes, in whichever of the processes that call this has the turn. The turn is an advisory
 * lock of a transaction that does nothing else: unlike a lock of the session it works behind a transaction pooler, and
 * a transaction without a statement under way holds no snapshot, so that it keeps VACUUM from nothing. The first round
 * starts after a part of `everyMs`, the others with jitter.
 */
export function startGarbageRounds(options: Omit<GarbageOptions, "signal">, everyMs: number = EVERY_MS): GarbageRounds {
  const { database, log } = options;
  const stop = new AbortController();
  const { signal } = stop;

  async function round(): Promise<void> {
    try {
      await database.asSystem(async (transaction) => {
        const [row] = await transaction.query<{ ours: boolean }>(sql`SELECT pg_try_advisory_xact_lock(${LOCK}) AS ours`);
        if (row?.ours === true) await collectGarbage({ ...options, signal });
      }, TURN);
    } catch (err) {
      if (!signal.aborted) log.warn({ err }, "collecting garbage failed; the next round tries again");
    }
  }

  async function rounds(): Promise<void> {
    let waitMs = everyMs * 0.2 * (0.5 + Math.random());
    while (!signal.aborted) {
      await delay(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (!signal.aborted) await round();
      waitMs = everyMs * (0.75 + Math.random() / 2);
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
