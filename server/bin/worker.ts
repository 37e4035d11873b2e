import { dirname, join } from "node:path";
import { readConfig, requireDatabaseUrl } from "../src/config.ts";
import { openDatabase } from "../src/db/database.ts";
import { requireMigrated } from "../src/db/require-migrated.ts";
import { installFailpoint } from "../src/failpoint.ts";
import { openKnownStores } from "../src/lifecycle/require-stores.ts";
import { loadCatalogue } from "../src/processors/catalogue.ts";
import type { Shutdown } from "../src/shutdown.ts";
import { createContentStore } from "../src/storage/content-store.ts";
import { createContentKeys } from "../src/storage/keys/content-keys.ts";
import { openLog } from "../src/telemetry/log.ts";
import { createMetrics, type Metrics } from "../src/telemetry/metrics.ts";
import { serveMetrics } from "../src/telemetry/serve-metrics.ts";
import { openHostPool, type HostPool } from "../src/worker/host/pool.ts";
import { detectSandbox } from "../src/worker/host/sandbox.ts";
import { startWorker, type WorkerObserver } from "../src/worker/loop.ts";
import { openKeys } from "./open-keys.ts";
import { openSources } from "./open-sources.ts";
import { answerDrain, answerMeasure, runProcess, StartError, tellReady, UNDER_PARENT } from "./run-process.ts";

/** A worker: one of any number of equal processes that claim tasks of the same database. */

/**
 * How long running tasks may go on after SIGTERM before they are handed back, which costs no attempt. Under `npm start`
 * people wait at a terminal; alone it fits into the 30 s that Kubernetes gives.
 */
const GRACE_MS = UNDER_PARENT ? 500 : 20_000;
const STOP_WITHIN_MS = GRACE_MS + 5_000;
/** A worker that its parent has no more work for: longer than the parent waits, which then kills it. */
const LEISURE_MS = 24 * 3_600_000;
const CONNECTIONS = 10;

await runProcess(
  async (shutdown) => {
    const config = readConfig(process.env);
    const log = openLog({ level: config.telemetry.logLevel, process: "worker" });
    if (config.failpoints !== undefined) installFailpoint(config.failpoints);

    const database = openDatabase({
      url: requireDatabaseUrl(config),
      applicationName: "filemill-worker",
      maxConnections: CONNECTIONS,
      onIdleError: (err) => log.warn({ err }, "an idle connection to the database was lost"),
    });
    shutdown.add("the database pool", () => database.close());
    await requireMigrated(database);
    const { tenantKeys } = await openKeys(database, config.keys);
    const stores = await openKnownStores(database, config.storage);
    shutdown.add("the stores", () => stores.close());
    const metrics = createMetrics();
    if (UNDER_PARENT) answerMeasure((labels) => metrics.render(labels));
    else await serve(metrics, config.telemetry.metricsPort, shutdown);

    const { lanes, slots, extraProcessors } = config.workers;
    const catalogue = await loadCatalogue(extraProcessors);
    const sandbox = await detectSandbox(config.workers.sandbox);
    if (sandbox.mode === "none") log.warn({ reason: sandbox.reason, codecs: sandbox.codecs }, "there is no sandbox for processors");
    const hosts = await openHostPool({
      sandbox,
      log,
      slots,
      scratchRoot: join(config.dataFolder, "scratch"),
      // A tenant's first image took 62–117 ms instead of 151–467 ms, for 6 MB more in a host that waits.
      preload: ["sharp"],
      extraModules: extraProcessors,
      readOnly: [...new Set(extraProcessors.map((module) => dirname(module)))],
    });
    shutdown.add("the step hosts", () => hosts.close());
    metrics.beforeRender(() => metrics.hostsAre(countHosts(hosts)));
    const contents = createContentStore({ stores, keys: createContentKeys(tenantKeys) });
    const sources = openSources(config, { database, contents });
    shutdown.add("what fetches inputs", () => sources.close());
    const worker = await startWorker({
      database,
      contents,
      catalogue,
      sources,
      hosts,
      lanes,
      slots,
      notify: config.dispatch.notify,
      secrets: tenantKeys,
      log,
      observe: observer(metrics),
    });
    shutdown.add("the worker", () => worker.drain(GRACE_MS));
    if (UNDER_PARENT) answerDrain(() => worker.drain(LEISURE_MS));
    log.info({ worker: worker.id, lanes, slots, sandbox: sandbox.mode }, "the worker takes tasks");
    tellReady(
      sandbox.mode === "none" ? { note: `none (${sandbox.reason}); processors run in processes that are limited, not isolated` } : {},
    );
  },
  { stopWithinMs: STOP_WITHIN_MS },
);

async function serve(metrics: Metrics, port: number, shutdown: Shutdown): Promise<void> {
  try {
    const server = await serveMetrics(metrics, port);
    shutdown.add("the metrics server", () => server.close());
  } catch (cause) {
    throw new StartError(
      `Port ${port} for metrics can't be used (${cause instanceof Error ? cause.message : String(cause)}). Set FILEMILL_METRICS_PORT to a free port, or to 0 for any.`,
    );
  }
}

function observer(metrics: Metrics): WorkerObserver {
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

function countHosts(hosts: HostPool): Readonly<Record<"spare" | "idle" | "busy", number>> {
  const counts = { spare: 0, idle: 0, busy: 0 };
  for (const { tenantId, isBusy } of hosts.hosts()) counts[isBusy ? "busy" : tenantId === undefined ? "spare" : "idle"] += 1;
  return counts;
}
