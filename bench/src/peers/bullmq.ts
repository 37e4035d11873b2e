import { Queue, Worker } from "bullmq";
import { untilTrue } from "../until-true.ts";
import type { QueuePeer } from "./peer.ts";
import { startRedis } from "./redis-server.ts";

const QUEUE = "noop";
const CONCURRENCY = 100;
const CHUNK = 2_000;

/** BullMQ on a Redis of its own. Finished jobs are removed, which is faster than keeping them. */
export function bullmq(): QueuePeer {
  let redis: Awaited<ReturnType<typeof startRedis>> | undefined;
  let queue: Queue | undefined;
  let worker: Worker | undefined;

  const started = () => {
    if (redis === undefined || queue === undefined) throw new Error("bullmq: setUp() was not called");
    return { queue, connection: { host: "127.0.0.1", port: redis.port, maxRetriesPerRequest: null } };
  };
  const work = (onRun: () => void) =>
    new Worker(QUEUE, () => Promise.resolve(onRun()), {
      connection: started().connection,
      concurrency: CONCURRENCY,
      removeOnComplete: { count: 0 },
    });

  return {
    name: "BullMQ",
    async setUp() {
      redis = await startRedis();
      queue = new Queue(QUEUE, { connection: { host: "127.0.0.1", port: redis.port } });
      await queue.waitUntilReady();
    },
    async add(count) {
      for (let added = 0; added < count; added += CHUNK) {
        await started().queue.addBulk(Array.from({ length: Math.min(CHUNK, count - added) }, () => ({ name: QUEUE, data: {} })));
      }
    },
    async drain(count) {
      let completed = 0;
      const draining = work(() => undefined);
      draining.on("completed", () => completed++);
      try {
        await untilTrue(() => Promise.resolve(completed >= count));
      } finally {
        await draining.close();
      }
    },
    async listen(onRun) {
      worker = work(onRun);
      await worker.waitUntilReady();
    },
    async addOne() {
      await started().queue.add(QUEUE, {});
    },
    async takeDown() {
      await worker?.close();
      await queue?.close();
      await redis?.close();
    },
  };
}
