import { Logger, run, type Runner } from "graphile-worker";
import pg from "pg";
import { untilTrue } from "../until-true.ts";
import type { QueuePeer } from "./peer.ts";

const CONCURRENCY = 24;
/** As its documentation on performance recommends for many small jobs. */
const BATCHED = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };

/** graphile-worker as it is by default, or with its batching. */
export function graphile(url: string, mode: "default" | "batched"): QueuePeer {
  const pool = new pg.Pool({ connectionString: url, max: CONCURRENCY + 4 });
  pool.on("error", (error) => process.stderr.write(`graphile-worker: ${error.message}\n`));
  pool.on("connect", (client) => client.on("error", () => undefined));
  let runner: Runner | undefined;

  const start = (onRun: () => void) =>
    run({
      pgPool: pool,
      concurrency: CONCURRENCY,
      noHandleSignals: true,
      logger: new Logger(() => () => undefined),
      taskList: { noop: () => onRun() },
      ...(mode === "batched" ? { preset: { worker: BATCHED } } : {}),
    });

  return {
    name: `graphile-worker ${mode}`,
    async setUp() {
      const once = await start(() => undefined);
      await once.stop();
    },
    async add(count) {
      await pool.query("SELECT graphile_worker.add_job('noop', '{}') FROM generate_series(1, $1::int)", [count]);
      await pool.query("ANALYZE");
    },
    async drain(count) {
      let handled = 0;
      const worker = await start(() => handled++);
      try {
        await untilTrue(() => Promise.resolve(handled >= count));
        // A job is done when its row is gone, which with batching is later than its handler.
        await untilTrue(async () => (await pool.query("SELECT 1 FROM graphile_worker.jobs LIMIT 1")).rows.length === 0);
      } finally {
        await worker.stop();
      }
    },
    async listen(onRun) {
      runner = await start(onRun);
    },
    async addOne() {
      await pool.query("SELECT graphile_worker.add_job('noop', '{}')");
    },
    async takeDown() {
      await runner?.stop();
      await pool.end();
    },
  };
}
