import { readConfig, requireDatabaseUrl } from "../src/config.ts";
import { openDatabase } from "../src/db/database.ts";
import { requireMigrated } from "../src/db/require-migrated.ts";
import { installFailpoint } from "../src/failpoint.ts";
import type { Shutdown } from "../src/shutdown.ts";
import { openLog } from "../src/telemetry/log.ts";
import { createMetrics, type Metrics } from "../src/telemetry/metrics.ts";
import { serveMetrics } from "../src/telemetry/serve-metrics.ts";
import { startWorker } from "../src/worker/loop.ts";
import { composeWorker } from "./compose-worker.ts";
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
    const metrics = createMetrics();
    if (UNDER_PARENT) answerMeasure((labels) => metrics.render(labels));
    else await serve(metrics, config.telemetry.metricsPort, shutdown);

    const { sandbox, ...composed } = await composeWorker({ config, database, log, metrics, shutdown });
    const { lanes, slots } = composed;
    // Its hosts are being closed already: what it took now would fail on them.
    if (shutdown.begun.aborted) return;
    const starting = startWorker(composed);
    shutdown.add("the worker", async () => (await starting).drain(GRACE_MS));
    const worker = await starting;
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
