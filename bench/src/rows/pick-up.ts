import { setTimeout as delay } from "node:timers/promises";
import { startCluster } from "../cluster.ts";
import { measure, quantile, report, type Contestant } from "../measure.ts";
import { filemillQueue } from "../ours/filemill-queue.ts";
import { bullmq } from "../peers/bullmq.ts";
import { graphile } from "../peers/graphile.ts";
import type { QueuePeer } from "../peers/peer.ts";
import { pgBoss } from "../peers/pg-boss.ts";

const JOBS_A_ROUND = 20;
/** Pause before each job, so that the system is idle again; random, so that no poller is in step with it. */
const PAUSE_MS = { least: 20, spread: 80 };

/** From the call that adds one job to the start of its handler, on a system that has nothing else to do. */
export async function pickUp({ rounds }: { rounds: number }): Promise<void> {
  const cluster = await startCluster();
  const latencies = new Map<string, number[]>();
  try {
    const peers = [
      filemillQueue({ name: "Filemill", url: (await cluster.ourDatabase()).url }),
      graphile(await cluster.emptyDatabase("graphile"), "default"),
      pgBoss(await cluster.emptyDatabase("pgboss")),
      bullmq(),
    ];
    const contestants = peers.map((peer) => pickedUp(peer, latencies));
    const row = { name: "pick-up", unit: "ms p50", better: "lower" as const, rounds, contestants };
    report(row, await measure(row));
    for (const [name, all] of latencies) {
      console.log(`  ${name}: p50 ${quantile(all, 0.5).toFixed(1)} ms, p99 ${quantile(all, 0.99).toFixed(1)} ms of ${all.length} jobs`);
    }
  } finally {
    await cluster.close();
  }
}

function pickedUp(peer: QueuePeer, latencies: Map<string, number[]>): Contestant {
  let run: (() => void) | undefined;
  return {
    name: peer.name,
    async setUp() {
      await peer.setUp();
      await peer.listen(() => run?.());
    },
    takeDown: () => peer.takeDown(),
    async measure() {
      const round: number[] = [];
      for (let job = 0; job < JOBS_A_ROUND; job++) {
        await delay(PAUSE_MS.least + Math.random() * PAUSE_MS.spread);
        const begun = new Promise<void>((resolve) => (run = resolve));
        const started = performance.now();
        await peer.addOne();
        await begun;
        round.push(performance.now() - started);
      }
      latencies.set(peer.name, [...(latencies.get(peer.name) ?? []), ...round]);
      return quantile(round, 0.5);
    },
  };
}
