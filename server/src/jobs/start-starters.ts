import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import type { Catalogue } from "../processors/catalogue.ts";
import { startWaitingJobs } from "./dependencies/start-waiting.ts";
import { runDueSchedules } from "./schedules/run-due-schedules.ts";
import { runTriggers } from "./triggers/run-triggers.ts";

export interface Starters {
  /** Ends within the job under way. */
  close(): Promise<void>;
}

/** Between two looks of one kind when there was nothing: a look is one statement over an index of what is due. */
const LOOK_MS = 400;
/** While there is more; leaves room for others. */
const MORE_MS = 100;
/** After failures. */
const LONGEST_WAIT_MS = 5_000;

/**
 * What starts jobs without a request: schedules, triggers, and the ends of jobs that others wait for. Every API process does
 * all three, each in rounds of its own, so that a long one keeps none of the others waiting; what is due is found in the
 * database and taken there, so that processes may come and go.
 */
export function startStarters(options: {
  readonly database: Database;
  readonly catalogue: Catalogue;
  readonly log: Logger;
  readonly announce: (lanes: Iterable<string>) => void;
}): Starters {
  const { announce, log } = options;
  const stop = new AbortController();
  const { signal } = stop;
  const services = { ...options, signal };

  const looks: readonly (() => Promise<{ lanes: Set<string>; more: boolean }>)[] = [
    async () => {
      const { lanes, due } = await runDueSchedules(services);
      return { lanes, more: due > 0 };
    },
    () => startWaitingJobs(services),
    () => runTriggers(services),
  ];

  async function rounds(look: (typeof looks)[number]): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      let waitMs = LOOK_MS;
      try {
        const { lanes, more } = await look();
        if (lanes.size > 0) announce(lanes);
        if (more) waitMs = MORE_MS;
        failures = 0;
      } catch (err) {
        // Once for as long as it lasts: a database that is away for an hour fills no log.
        if (failures === 0 && !signal.aborted) log.warn({ err }, "what is due could not be started; the next rounds try again");
        waitMs = Math.min(LOOK_MS * 2 ** ++failures, LONGEST_WAIT_MS);
      }
      await delay(waitMs * (0.75 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  const running = Promise.all(looks.map(rounds));
  return {
    async close() {
      stop.abort();
      await running;
    },
  };
}
