import type { Metrics } from "../src/telemetry/metrics.ts";
import type { HostPool } from "../src/worker/host/pool.ts";
import type { WorkerObserver } from "../src/worker/loop.ts";

/** What a worker tells of its work, as measurements. */
export function observeWorker(metrics: Metrics): WorkerObserver {
  return {
    claimed({ milliseconds, tasks }) {
      metrics.claimed(milliseconds / 1_000);
      for (const { waitedMs } of tasks) metrics.pickedUp(waitedMs / 1_000);
    },
    ended: ({ kind, outcome, milliseconds }) => metrics.taskEnded({ kind, outcome, seconds: milliseconds / 1_000 }),
    failed: (failureClass, count) => metrics.failed(failureClass, count),
    leaseLost: (reason) => metrics.leaseLost(reason),
    committed: ({ milliseconds }) => metrics.completed(milliseconds / 1_000),
    reaped: (tasks) => metrics.reaped(tasks),
    reused: (entries) => metrics.reused(entries),
    quotaRefused: () => metrics.quotaRefused(),
    collected: (objects) => metrics.collected(objects),
  };
}

export function countHosts(hosts: HostPool): Readonly<Record<"spare" | "idle" | "busy", number>> {
  const counts = { spare: 0, idle: 0, busy: 0 };
  for (const { tenantId, isBusy } of hosts.hosts()) counts[isBusy ? "busy" : tenantId === undefined ? "spare" : "idle"] += 1;
  return counts;
}
