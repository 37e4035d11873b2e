import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { Catalogue } from "../processors/catalogue.ts";
import { startWaitingJobs } from "./dependencies/start-waiting.ts";
import { runDueSchedules } from "./schedules/run-due-schedules.ts";
import { runTriggers } from "./triggers/run-triggers.ts";

export interface Starters {
  /** Ends within the job under way. */
  close(): Promise<void>;
}

/** Between two looks when there was nothing: a look is one statement over three indexes of what is due. */
const LOOK_MS = 400;
/** While there is something; leaves room for others. */
const MORE_MS = 100;
/** After failures. */
const LONGEST_WAIT_MS = 5_000;

type Kind = "schedules" | "waits" | "triggers";
const KINDS: readonly Kind[] = ["schedules", "waits", "triggers"];

/**
 * What starts jobs without a request: schedules, triggers, and the ends of jobs that others wait for. Every API process looks
 * for all three, and starts each kind apart, so that a long round of one keeps none of the others waiting; what is due is found
 * in the database and taken there, so that processes may come and go.
 */
export function startStarters(options: {
  readonly database: Database;
  readonly catalogue: Catalogue;
  readonly log: Logger;
  readonly announce: (lanes: Iterable<string>) => void;
}): Starters {
  const { database, announce, log } = options;
  const stop = new AbortController();
  const { signal } = stop;
  const services = { ...options, signal };
  const rounds: Readonly<Record<Kind, () => Promise<{ lanes: Set<string> }>>> = {
    schedules: () => runDueSchedules(services),
    waits: () => startWaitingJobs(services),
    triggers: () => runTriggers(services),
  };
  const underWay = new Map<Kind, Promise<void>>();
  const failures = new Map<Kind | "look", number>();

  async function start(kind: Kind): Promise<void> {
    try {
      const { lanes } = await rounds[kind]();
      if (lanes.size > 0) announce(lanes);
      failures.delete(kind);
    } catch (err) {
      await pause(failed(kind, err));
    } finally {
      underWay.delete(kind);
    }
  }

  async function look(): Promise<void> {
    while (!signal.aborted) {
      let waitMs = LOOK_MS;
      try {
        const due = await database.asSystem(findDue);
        for (const kind of KINDS) {
          if (!due[kind]) continue;
          waitMs = MORE_MS;
          if (!underWay.has(kind)) underWay.set(kind, start(kind));
        }
        failures.delete("look");
      } catch (err) {
        waitMs = failed("look", err);
      }
      await pause(waitMs);
    }
  }

  /** Told once for as long as it lasts: a database that is away for an hour fills no log. Gives how long to wait, ms. */
  function failed(what: Kind | "look", err: unknown): number {
    const before = failures.get(what) ?? 0;
    if (before === 0 && !signal.aborted) log.warn({ err, what }, "what is due could not be started; the next rounds try again");
    failures.set(what, before + 1);
    return Math.min(LOOK_MS * 2 ** before, LONGEST_WAIT_MS);
  }

  async function pause(ms: number): Promise<void> {
    await delay(ms * (0.75 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => undefined);
  }

  const looking = look();
  return {
    async close() {
      stop.abort();
      await looking;
      await Promise.all(underWay.values());
    },
  };
}

async function findDue(transaction: Transaction): Promise<Readonly<Record<Kind, boolean>>> {
  const [due] = await transaction.query<Record<Kind, boolean>>(sql`
    SELECT EXISTS (SELECT FROM schedules WHERE next_run_at <= now()) AS schedules,
      EXISTS (SELECT FROM job_dependencies WHERE outcome IS NOT NULL AND NOT seen) AS waits,
      EXISTS (SELECT FROM arrived_files) AS triggers`);
  return due ?? { schedules: false, waits: false, triggers: false };
}
