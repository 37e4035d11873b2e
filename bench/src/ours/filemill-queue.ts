import { randomUUID } from "node:crypto";
import pino from "pino";
import type { Batch } from "@filemill/contract/pipeline.ts";
import { openDatabase, type Database } from "@filemill/server/src/db/database.ts";
import { openNotifier, type Notifier } from "@filemill/server/src/db/notifier.ts";
import { sql } from "@filemill/server/src/db/sql.ts";
import type { Dispatch } from "@filemill/server/src/queue/dispatch.ts";
import { openPostgresDispatch } from "@filemill/server/src/queue/postgres-dispatch.ts";
import type { ClaimedTask } from "@filemill/server/src/queue/task.ts";
import { openCommitter, type Committer } from "@filemill/server/src/worker/committer.ts";
import type { QueuePeer } from "../peers/peer.ts";
import { addTenant, LANE, noopPlan, submitNoop } from "./noop-job.ts";
import { noContents } from "./no-contents.ts";

/** Tasks that this worker has taken and not yet finished; with step hosts it is the number of slots. */
const IN_HAND = 256;

export interface FilemillQueueOptions {
  readonly name: string;
  /** As the server logs in; the schema is there. */
  readonly url: string;
  readonly batch?: Batch;
}

/**
 * Our queue from submission to fenced completion, without hosts and files: the dispatch, the claim and the committer
 * that a worker uses, and a run that does nothing.
 */
export function filemillQueue(options: FilemillQueueOptions): QueuePeer {
  const database = openDatabase({ url: options.url, applicationName: "bench" });
  const plan = noopPlan(options.batch);
  const submitter = openNotifier(database, { enabled: true });
  const stopping = new AbortController();
  let tenantId = "";
  let listening: Promise<void> | undefined;

  const addItems = (items: number) =>
    submitNoop(database, { tenantId, items, ...(options.batch === undefined ? {} : { batch: options.batch }) });

  return {
    name: options.name,
    async setUp() {
      tenantId = await addTenant(database, options.name);
    },
    async add(count) {
      await addItems(count);
      await database.asSystem((transaction) => transaction.query(sql`SELECT 1`));
    },
    async drain(count) {
      const worker = openWorker(database);
      let items = 0;
      const open = new Set<Promise<void>>();
      while (items < count) {
        if (open.size >= IN_HAND) await Promise.race(open);
        const taken = await worker.dispatch.take(IN_HAND - open.size);
        if (taken.length === 0 && open.size > 0) await Promise.race(open);
        for (const task of taken) {
          items += task.entries.length;
          const ended = finish(worker.committer, task).finally(() => open.delete(ended));
          open.add(ended);
        }
      }
      await Promise.all(open);
      await worker.close();
    },
    listen(onRun) {
      listening = listenUntilStopped(onRun);
      return Promise.resolve();
    },
    async addOne() {
      for (const lane of await addItems(1)) submitter.notify("filemill_ready", lane);
    },
    async takeDown() {
      stopping.abort();
      await listening;
      await submitter.close();
      await database.close();
    },
  };

  async function listenUntilStopped(onRun: () => void): Promise<void> {
    const worker = openWorker(database);
    while (!stopping.signal.aborted) {
      const taken = await worker.dispatch.take(IN_HAND);
      for (const task of taken) {
        onRun();
        await finish(worker.committer, task);
      }
      if (taken.length === 0) await worker.dispatch.wait(stopping.signal);
    }
    await worker.close();
  }

  async function finish(committer: Committer, task: ClaimedTask): Promise<void> {
    const results = task.entries.map(() => ({ ok: true as const, outputs: [] }));
    const committed = await committer.commit({ finished: { task, plan, outcome: { type: "done", results } }, files: [], outputs: [] });
    if (committed !== "committed") throw new Error(`Task ${task.id} was taken away: the bench runs one worker, so nobody should`);
  }
}

interface BenchWorker {
  readonly dispatch: Dispatch;
  readonly committer: Committer;
  close(): Promise<void>;
}

function openWorker(database: Database): BenchWorker {
  const workerId = randomUUID();
  const notifier: Notifier = openNotifier(database, { enabled: true });
  const dispatch = openPostgresDispatch({ database, notifier, workerId, lanes: [LANE], notify: true });
  const log = pino({ level: "warn" }, pino.destination(2));
  const committer = openCommitter({ database, contents: noContents, workerId, log, onSettled: () => undefined });
  return {
    dispatch,
    committer,
    async close() {
      await committer.close();
      await dispatch.close();
      await notifier.close();
    },
  };
}
