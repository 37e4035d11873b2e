import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/** Beyond a month the rate is wrong, not the job long. */
const MAX_REMAINING_MS = 31 * 86_400_000;

/** What recent work says about a lane. */
export interface LaneRate {
  readonly secondsPerItem: number;
  readonly waitingItems: number;
  readonly slots: number;
}

/** When a job of `items` that starts now behind all that waits will be done; null without workers or recent work. */
export function estimateNew(rate: LaneRate | undefined, items: number, now: Date): Date | null {
  if (rate === undefined || rate.slots < 1) return null;
  const remainingMs = (1_000 * rate.secondsPerItem * (rate.waitingItems + items)) / rate.slots;
  return remainingMs > MAX_REMAINING_MS ? null : new Date(now.getTime() + remainingMs);
}

/** Estimates for jobs that were just submitted. */
export interface Estimator {
  /** `lanes` of the first stages; the slowest of them decides. Never rejects: null where nothing is known. */
  forNewJob(job: { lanes: Iterable<string>; items: number }): Promise<Date | null>;
}

const KEPT_MS = 10_000;
/** Newest tasks (ids are ordered by time) that are looked at, so that the cost does not grow with the history. */
const NEWEST_TASKS = 2_000;

/** Rates are read at most every ten seconds; submissions in between share them. */
export function createEstimator(database: Database): Estimator {
  let known: { at: number; rates: Promise<ReadonlyMap<string, LaneRate>> } | undefined;

  function rates(): Promise<ReadonlyMap<string, LaneRate>> {
    if (known === undefined || performance.now() - known.at > KEPT_MS) {
      known = { at: performance.now(), rates: readRates(database).catch(() => new Map()) };
    }
    return known.rates;
  }

  return {
    async forNewJob({ lanes, items }) {
      const byLane = await rates();
      const now = new Date();
      const ends = [...lanes].map((lane) => estimateNew(byLane.get(lane), items, now));
      return ends.reduce<Date | null>((latest, end) => (latest === null || (end !== null && end > latest) ? end : latest), null);
    },
  };
}

async function readRates(database: Database): Promise<ReadonlyMap<string, LaneRate>> {
  const rows = await database.asSystem((transaction) =>
    transaction.query<LaneRate & { lane: string }>(sql`
      WITH newest AS (SELECT lane, status, items, started_at, finished_at FROM tasks ORDER BY id DESC LIMIT ${NEWEST_TASKS}),
      done AS (
        SELECT lane, sum(extract(epoch FROM finished_at - started_at)) / greatest(sum(greatest(items, 1)), 1) AS seconds
        FROM newest WHERE status = 'succeeded' AND finished_at > now() - interval '15 minutes' GROUP BY lane
      )
      SELECT done.lane, done.seconds::float8 AS "secondsPerItem",
        (SELECT coalesce(sum(newest.items), 0)::bigint FROM newest WHERE newest.lane = done.lane AND newest.status IN ('ready', 'running')) AS "waitingItems",
        (SELECT coalesce(sum(workers.slots), 0)::bigint FROM workers
          WHERE workers.status = 'up' AND workers.seen_at > now() - interval '30 seconds' AND done.lane = ANY(workers.lanes)) AS slots
      FROM done`),
  );
  return new Map(rows.map((row) => [row.lane, row]));
}
