import { startCluster } from "../cluster.ts";
import { measure, report, type Contestant } from "../measure.ts";
import { filemillQueue } from "../ours/filemill-queue.ts";
import { bullmq } from "../peers/bullmq.ts";
import { graphile } from "../peers/graphile.ts";
import type { QueuePeer } from "../peers/peer.ts";
import { pgBoss } from "../peers/pg-boss.ts";
import { skipLocked } from "../peers/skip-locked.ts";

/** Enough that start-up is noise; graphile-worker by default does a few hundred a second and gets fewer. */
const ITEMS = 20_000;
const ITEMS_OF_SLOW = 2_000;

/** No-op items that one worker takes, runs and durably ends, a second. */
export async function queueDrain({ rounds }: { rounds: number }): Promise<void> {
  const cluster = await startCluster();
  try {
    const contestants = [
      drained(filemillQueue({ name: "Filemill, 1 item a task", url: (await cluster.ourDatabase()).url, batch: { items: 1 } }), ITEMS),
      drained(filemillQueue({ name: "Filemill, default packing", url: (await cluster.ourDatabase()).url }), ITEMS),
      drained(skipLocked(await cluster.emptyDatabase("bare")), ITEMS),
      drained(graphile(await cluster.emptyDatabase("graphile_batched"), "batched"), ITEMS),
      drained(graphile(await cluster.emptyDatabase("graphile_default"), "default"), ITEMS_OF_SLOW),
      drained(pgBoss(await cluster.emptyDatabase("pgboss")), ITEMS),
      drained(bullmq(), ITEMS),
    ];
    const row = { name: "queue-drain", unit: "items/s", better: "higher" as const, rounds, contestants };
    report(row, await measure(row));
  } finally {
    await cluster.close();
  }
}

function drained(peer: QueuePeer, items: number): Contestant {
  return {
    name: peer.name,
    setUp: () => peer.setUp(),
    takeDown: () => peer.takeDown(),
    async measure() {
      await peer.add(items);
      const started = performance.now();
      await peer.drain(items);
      return items / ((performance.now() - started) / 1000);
    },
  };
}
