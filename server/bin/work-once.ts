import type { Logger } from "pino";
import type { Config } from "../src/config.ts";
import type { Database } from "../src/db/database.ts";
import type { JobClaim } from "../src/queue/claim-job.ts";
import type { Shutdown } from "../src/shutdown.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";
import { openMetricsTeller } from "../src/worker/tell-metrics.ts";
import { startOneJobWorker, type OneJobEnd } from "../src/worker/once.ts";
import { composeWorker } from "./compose-worker.ts";

/**
 * All that a one-job worker loads once it has its job. Resolves when its work is over; never, where the process is being
 * stopped before it has begun.
 */
export async function workOnce(parts: {
  readonly config: Config;
  readonly database: Database;
  readonly log: Logger;
  readonly shutdown: Shutdown;
  readonly claim: JobClaim;
  readonly workerId: string;
  readonly graceMs: number;
  /** The worker renews its leases itself now, and gives the job back. */
  readonly onWorks: () => void;
  readonly onEnd: (end: OneJobEnd) => void;
}): Promise<void> {
  const { claim, workerId, database, log, shutdown } = parts;
  const metrics = createMetrics();
  const teller = openMetricsTeller({ database, id: workerId, counted: () => metrics.counted(), log });
  shutdown.add("the telling of measurements", () => teller.close());
  // Hosts for what it has in hand, and none to wait for what other tenants might send.
  const hosts = { first: claim.tasks.length, spares: 0, warmsCache: false };
  const { sandbox: _sandbox, ...composed } = await composeWorker({ ...parts, metrics, hosts });
  // Its hosts are being closed already: what it took now would fail on them.
  if (shutdown.begun.aborted) return new Promise(() => undefined);
  const starting = startOneJobWorker({ ...composed, id: workerId, claim });
  shutdown.add("the worker", async () => parts.onEnd(await (await starting).drain(parts.graceMs)));
  const worker = await starting;
  parts.onWorks();
  log.info({ worker: workerId, job: claim.jobId, slots: composed.slots }, "the worker works at its job");
  await worker.over;
}
