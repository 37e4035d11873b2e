import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "vitest";
import type { Verdict } from "./checker.ts";
import { until } from "./conditions.ts";
import { intend, stamping } from "./load-client.ts";
import { play } from "./scenario.ts";
import type { SiteOptions, Worker } from "./site.ts";

const SKEW_MS = 10 * 60_000;
/** Longer than a worker's rounds of looking for expired leases. */
const TASK_MS = 6_000;
/** The reaper waits one lease after the database's start. */
const DATABASE_AGE_MS = 16_000;
const RECLAIMED_WITHIN_MS = 20_000;

/**
 * F11. One worker's clock is ten minutes ahead, the other's as far behind. Neither may take from the other what it holds,
 * and when one is killed the other must get what it held as soon as ever.
 */
export async function wrongClocks(options: SiteOptions): Promise<Verdict> {
  return await play("F11", options, async ({ site, poller, client }) => {
    const wrong = (skewMs: number): Promise<Worker> =>
      site.startWorker({
        slots: 2,
        env: {
          NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, "skewed-clock.ts")).href}`,
          CHAOS_SKEW_MS: String(skewMs),
        },
      });
    const ahead = await wrong(SKEW_MS);
    const behind = await wrong(-SKEW_MS);
    expect(firstMinute(ahead.log())).not.toBe(firstMinute(behind.log()));
    await until("the database is old enough to reap", 60_000, async () => {
      const [row] = await site.database.query<{ age: number }>(
        "SELECT extract(epoch FROM now() - pg_postmaster_start_time())::float8 * 1000 AS age",
      );
      return (row?.age ?? 0) > DATABASE_AGE_MS;
    });
    const load = await client("only");
    const order = { pipeline: stamping(TASK_MS) };
    const long = await load.submit(intend("f11-long", [20_000, 20_000, 20_000, 20_000], order));
    poller.watch(long.job_id ?? "", 4);
    await ended(4, 0);
    expect(await burnt()).toEqual({ epoch: 1, losses: 0 });

    // More than one worker holds and has ahead.
    const taken = await load.submit(intend("f11-taken", [20_000, 20_000, 20_000, 20_000, 20_000], order));
    poller.watch(taken.job_id ?? "", 5);
    await until("the one that is ahead holds a task", 20_000, async () => (await heldBy(ahead)) > 0);
    ahead.signal("SIGKILL");
    const held = await heldBy(ahead);
    await until("the other has taken all over", RECLAIMED_WITHIN_MS + TASK_MS, async () => (await heldBy(ahead)) === 0);
    await ended(9, held);
    expect(await burnt()).toEqual({ epoch: 2, losses: held });

    /** Or more was lost than may be: then there is nothing to wait for. */
    async function ended(tasks: number, losses: number): Promise<void> {
      await until(`${tasks} tasks have ended`, 90_000, async () => {
        const [row] = await site.database.query<{ ended: number; losses: number }>(
          "SELECT (count(*) FILTER (WHERE status = 'succeeded'))::int AS ended, coalesce(sum(losses), 0)::int AS losses FROM filemill.tasks",
        );
        return row?.ended === tasks || (row?.losses ?? 0) > losses;
      });
    }
    async function burnt(): Promise<unknown> {
      const [row] = await site.database.query("SELECT max(epoch) AS epoch, sum(losses)::int AS losses FROM filemill.tasks");
      return row;
    }
    async function heldBy(worker: Worker): Promise<number> {
      const [row] = await site.database.query<{ held: number }>(
        "SELECT count(*)::int AS held FROM filemill.tasks WHERE status = 'running' AND worker_id = $1",
        [worker.id],
      );
      return row?.held ?? 0;
    }
  });
}

/** The first time that a worker wrote, to the minute. */
function firstMinute(log: string): string | undefined {
  return /"time":"([^"]{16})/.exec(log)?.[1];
}
