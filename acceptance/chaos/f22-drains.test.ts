import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { until } from "./conditions.ts";
import { intend, stamping } from "./load-client.ts";
import { play, type Stage } from "./scenario.ts";
import { amount } from "./seed.ts";
import type { Worker } from "./site.ts";

/** CHAOS_F22_DRAINS; 20 nightly. */
const DRAINS = amount("CHAOS_F22_DRAINS", 2);
const EXIT_WITHIN_MS = 25_000;
const HANDED_BACK_WITHIN_MS = 1_000;

/**
 * F22. Workers are told to end (SIGTERM) while clients submit jobs; each time another one takes its place. Every second
 * one runs as under `npm start`, where a running task gets half a second and is then handed back; the others end what
 * they have begun and hand back at once what they have only claimed.
 */
test("F22: workers drained under load fail no request, burn nothing and hand everything back at once", { timeout: 600_000 }, async () => {
  const { findings } = await play("F22", {}, async (stage) => {
    const { site, poller, chance, client } = stage;
    let underWay = true;
    let serving = await site.startWorker({ slots: 3 });
    const load = Promise.all(
      [0, 1].map(async (number) => {
        const mine = await client(`client-${number}`);
        for (let index = 0; underWay; index++) {
          const sizes = [chance.between(100, 1_000), chance.between(17_000, 60_000)];
          const pipeline = stamping(chance.between(0, 300), { slow_ms: 1_500 });
          const name = (file: number) => `f22-${number}-${index}-${file}${chance.fraction() < 0.2 ? "-slow" : ""}.bin`;
          const accepted = await mine.submit(intend(`f22-${chance.seed}-${number}-${index}`, sizes, { pipeline, name }));
          poller.watch(accepted.job_id ?? "", sizes.length);
          await delay(200);
        }
      }),
    );
    for (let round = 0; round < DRAINS; round++) {
      const next = await site.startWorker({ slots: 3, underParent: round % 2 === 0 });
      await until("the worker holds tasks", 30_000, async () => (await heldBy(stage, serving)) > 0);
      await drain(stage, serving, { isQuick: round % 2 === 1 });
      serving = next;
      await delay(chance.between(500, 1_500));
    }
    underWay = false;
    await load;
    await until("all jobs have ended", 60_000, async () => {
      const [row] = await site.database.query<{ open: number }>(
        "SELECT count(*)::int AS open FROM filemill.jobs WHERE status IN ('queued', 'running')",
      );
      return row?.open === 0;
    });
    const [burnt] = await site.database.query("SELECT sum(attempts)::int AS attempts, sum(losses)::int AS losses FROM filemill.tasks");
    expect(burnt).toEqual({ attempts: 0, losses: 0 });
  });
  expect(findings).toEqual([]);
});

async function drain(stage: Stage, worker: Worker, { isQuick }: { isQuick: boolean }): Promise<void> {
  const began = performance.now();
  worker.signal("SIGTERM");
  if (isQuick) {
    await until("all leases are handed back", HANDED_BACK_WITHIN_MS, async () => (await heldBy(stage, worker)) === 0);
  }
  expect(await worker.ended).toBe("code 0");
  expect(performance.now() - began).toBeLessThan(EXIT_WITHIN_MS);
  expect(await heldBy(stage, worker)).toBe(0);
}

async function heldBy({ site }: Stage, worker: Worker): Promise<number> {
  const [row] = await site.database.query<{ held: number }>(
    "SELECT count(*)::int AS held FROM filemill.tasks WHERE worker_id = $1 AND status = 'running'",
    [worker.id],
  );
  return row?.held ?? 0;
}
