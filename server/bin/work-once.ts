import type { Logger } from "pino";
import type { Config } from "../src/config.ts";
import type { Database } from "../src/db/database.ts";
import type { JobClaim } from "../src/queue/claim-job.ts";
import type { Shutdown } from "../src/shutdown.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";
import { openMetricsTeller } from "../src/worker/tell-metrics.ts";
import { startOneJobWorker, type OneJobWorker } from "../src/worker/once.ts";
import { composeWorker } from "./compose-worker.ts";

/** All that a one-job worker loads once it has its job. */
export async function workOnce(parts: {
  readonly config: Config;
  readonly database: Database;
  readonly log: Logger;
  readonly shutdown: Shutdown;
  readonly claim: JobClaim;
  readonly workerId: string;
}): Promise<OneJobWorker> {
  const { claim, workerId, database, log, shutdown } = parts;
  const metrics = createMetrics();
  const teller = openMetricsTeller({ database, id: workerId, counted: () => metrics.counted(), log });
  shutdown.add("the telling of measurements", () => teller.close());
  // Hosts for what it has in hand, and none to wait for what other tenants might send.
  const hosts = { first: claim.tasks.length, spares: 0, warmsCache: false };
  const { sandbox: _sandbox, ...composed } = await composeWorker({ ...parts, metrics, hosts });
  const worker = await startOneJobWorker({ ...composed, id: workerId, claim });
  log.info({ worker: workerId, job: claim.jobId, slots: composed.slots }, "the worker works at its job");
  return worker;
}
