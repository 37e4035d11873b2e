import { setTimeout as delay } from "node:timers/promises";
import { expect } from "vitest";
import type { Verdict } from "./checker.ts";
import { until } from "./conditions.ts";
import { intend, stamping } from "./load-client.ts";
import { play } from "./scenario.ts";

const WORKERS = 2;
const CLIENTS = 3;
const FILES_A_JOB = 3;
const SERVING_WITHIN_MS = 5_000;
/** Breaks between faults, in which 503 may still come: the pool finds its dead connections one by one. */
const SETTLE_MS = SERVING_WITHIN_MS;

/** F05. PostgreSQL is restarted every few seconds, politely or at once, while clients submit jobs and workers run them. */
export async function databaseRestarts(seconds: number): Promise<Verdict> {
  return await play("F05", {}, async ({ site, window, poller, chance, client }) => {
    await Promise.all(Array.from({ length: WORKERS }, () => site.startWorker()));
    const loadUntil = performance.now() + seconds * 1_000;
    let jobs = 0;
    const load = Promise.all(
      Array.from({ length: CLIENTS }, async (_unused, number) => {
        const mine = await client(`client-${number}`);
        for (let index = 0; performance.now() < loadUntil; index++) {
          const sizes = Array.from({ length: FILES_A_JOB }, () => chance.between(1_000, 60_000));
          const { job_id: jobId = "" } = await mine.submit(
            intend(`f05-${chance.seed}-${number}-${index}`, sizes, { pipeline: stamping(chance.between(20, 300)) }),
          );
          poller.watch(jobId, FILES_A_JOB);
          jobs++;
          await delay(100);
        }
      }),
    );
    let restarts = 0;
    const faults = (async () => {
      while (performance.now() < loadUntil) {
        await delay(chance.between(3_000, 6_000));
        window.open();
        await site.database.restart({ signal: chance.fraction() < 0.5 ? "SIGINT" : "SIGQUIT", awayMs: chance.between(200, 2_000) });
        restarts++;
        window.close(SETTLE_MS);
        await until("the API serves again", SERVING_WITHIN_MS, () =>
          fetch(`${site.url}/api/v1/jobs?limit=1`, { headers: { authorization: `Bearer ${site.key}` } }).then(
            ({ ok }) => ok,
            () => false,
          ),
        );
      }
    })();
    await Promise.all([load, faults]);
    expect(restarts).toBeGreaterThan(1);
    console.log(`F05: ${jobs} jobs, ${restarts} restarts`);
    await until("all jobs have ended", 60_000, async () => {
      const [row] = await site.database.query<{ open: number }>(
        "SELECT count(*)::int AS open FROM filemill.jobs WHERE status IN ('queued', 'running')",
      );
      return row?.open === 0;
    });
    const [burnt] = await site.database.query<{ attempts: number; losses: number }>(
      "SELECT sum(attempts)::int AS attempts, sum(losses)::int AS losses FROM filemill.tasks",
    );
    expect(burnt?.attempts).toBe(0);
    // Of a claim whose COMMIT was carried out and whose answer was cut, the worker knows nothing: that task is lost once.
    expect(burnt?.losses).toBeLessThanOrEqual(restarts * WORKERS);
  });
}
