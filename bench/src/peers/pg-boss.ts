import PgBoss from "pg-boss";
import type { QueuePeer } from "./peer.ts";

const QUEUE = "noop";
const BATCH = 500;
/** Jobs a statement when adding. */
const CHUNK = 5_000;

/** pg-boss. Draining uses fetch and complete in a loop, because work() waits out its polling interval between batches. */
export function pgBoss(url: string): QueuePeer {
  const boss = new PgBoss({ connectionString: url });
  // Without a listener an idle connection that ends would end the bench.
  boss.on("error", (error) => process.stderr.write(`pg-boss: ${error.message}\n`));

  return {
    name: "pg-boss",
    async setUp() {
      await boss.start();
      await boss.createQueue(QUEUE);
    },
    async add(count) {
      for (let added = 0; added < count; added += CHUNK) {
        await boss.insert(Array.from({ length: Math.min(CHUNK, count - added) }, () => ({ name: QUEUE, data: {} })));
      }
    },
    async drain(count) {
      for (let done = 0; done < count;) {
        const jobs = await boss.fetch(QUEUE, { batchSize: BATCH });
        await boss.complete(
          QUEUE,
          jobs.map((job) => job.id),
        );
        done += jobs.length;
      }
    },
    async listen(onRun) {
      // The shortest interval that it takes.
      await boss.work(QUEUE, { pollingIntervalSeconds: 0.5 }, () => Promise.resolve(onRun()));
    },
    async addOne() {
      await boss.send(QUEUE, {});
    },
    async takeDown() {
      await boss.stop({ graceful: false, wait: true });
    },
  };
}
