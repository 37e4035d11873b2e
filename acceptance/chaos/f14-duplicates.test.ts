import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { intend, stamping } from "./load-client.ts";
import { play } from "./scenario.ts";

const READY_CHANNEL = "filemill_ready";
const CLIENTS = 3;
const REQUESTS = 8;
const AT_ONCE = 4;
const FILES = 2;

/**
 * F14. Every request is sent several times at the same moment, over two API processes, and workers are told of work
 * thousands of times that is there once or not at all.
 */
test("F14: doubled requests and storms of announcements have one effect each", { timeout: 300_000 }, async () => {
  const { findings, orphans } = await play("F14", {}, async ({ site, poller, chance, client }) => {
    await Promise.all([site.startWorker(), site.startWorker()]);
    const other = await site.startApi();
    let underWay = true;
    let told = 0;
    const storm = (async () => {
      while (underWay) {
        // One transaction each: PostgreSQL drops doubles within one.
        await site.database.query("SELECT pg_notify($1, $2)", [READY_CHANNEL, told % 3 === 0 ? "nobody" : "default"]);
        told++;
        await delay(1);
      }
    })();
    await Promise.all(
      Array.from({ length: CLIENTS }, async (_unused, number) => {
        const mine = await client(`client-${number}`);
        for (let index = 0; index < REQUESTS; index++) {
          const sizes = Array.from({ length: FILES }, () => chance.between(1_000, 60_000));
          let turn = 0;
          const { job_id: jobId = "" } = await mine.submit(
            intend(`f14-${chance.seed}-${number}-${index}`, sizes, { pipeline: stamping(chance.between(0, 50)) }),
            { atOnce: AT_ONCE, url: () => (turn++ % 2 === 0 ? site.url : other.url) },
          );
          poller.watch(jobId, FILES);
        }
      }),
    );
    await delay(500);
    underWay = false;
    await storm;
    expect(told).toBeGreaterThan(100);
    const [tasks] = await site.database.query("SELECT max(epoch)::int AS epoch, sum(attempts + losses)::int AS burnt FROM filemill.tasks");
    expect(tasks).toEqual({ epoch: 1, burnt: 0 });
  });
  expect(findings).toEqual([]);
  // Nobody died: what the refused doubles had stored was deleted by those who stored it.
  expect(orphans).toBe(0);
});
