import type { FastifyInstance } from "fastify";
import { setTimeout as delay } from "node:timers/promises";
import { readConfig, requireDatabaseUrl, type HttpConfig } from "../src/config.ts";
import { openDatabase } from "../src/db/database.ts";
import { openNotifier } from "../src/db/notifier.ts";
import { requireMigrated } from "../src/db/require-migrated.ts";
import { installFailpoint } from "../src/failpoint.ts";
import { buildApp } from "../src/http/app.ts";
import { startGarbageRounds } from "../src/lifecycle/garbage-rounds.ts";
import { startMetricRounds } from "../src/lifecycle/metric-rounds.ts";
import { createKeyAdmin } from "../src/lifecycle/keys/key-admin.ts";
import { startKeyRounds } from "../src/lifecycle/keys/key-rounds.ts";
import { openReadNotes } from "../src/lifecycle/note-reads.ts";
import { scrub } from "../src/lifecycle/scrub.ts";
import { moveIdleFiles } from "../src/lifecycle/tiering.ts";
import { startTurns } from "../src/lifecycle/turns.ts";
import { openKnownStores } from "../src/lifecycle/require-stores.ts";
import { startStarters } from "../src/jobs/start-starters.ts";
import { laneBacklog } from "../src/jobs/queries-tasks.ts";
import { loadCatalogue } from "../src/processors/catalogue.ts";
import { READY_CHANNEL } from "../src/queue/postgres-dispatch.ts";
import { readMetricTotals } from "../src/record/metric-sources.ts";
import { createStatus } from "../src/status/status.ts";
import { createContentStore } from "../src/storage/content-store.ts";
import { createContentKeys } from "../src/storage/keys/content-keys.ts";
import { everyStore } from "../src/storage/every-store.ts";
import { openLog } from "../src/telemetry/log.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";
import { bootstrap } from "../src/tenants/bootstrap.ts";
import { openKeys } from "./open-keys.ts";
import { openQuotas } from "../src/tenants/quotas.ts";
import { resizeAtParent, runProcess, StartError, tellReady } from "./run-process.ts";

/** The API: one of any number of equal processes in front of one database. */
const STOP_WITHIN_MS = 10_000;
/** Connections to the database of one API process; the embedded one has 200 for all. */
const CONNECTIONS = 20;
/** The API of a killed `npm start` lets go of the port when it has noticed. */
const PORT_PATIENCE_MS = 4_000;
/** However many scrape, the lanes are counted once a second. */
const LANES_KEPT_MS = 1_000;

await runProcess(
  async (shutdown) => {
    const config = readConfig(process.env);
    const log = openLog({ level: config.telemetry.logLevel, process: "api" });
    if (config.failpoints !== undefined) installFailpoint(config.failpoints);

    const database = openDatabase({
      url: requireDatabaseUrl(config),
      applicationName: "filemill-api",
      maxConnections: CONNECTIONS,
      onIdleError: (err) => log.warn({ err }, "an idle connection to the database was lost"),
    });
    shutdown.add("the database pool", () => database.close());
    await requireMigrated(database);
    const { newKey, keyFile } = await bootstrap(database, {
      dataFolder: config.dataFolder,
      ...(config.bootstrapKey !== undefined && { chosenKey: config.bootstrapKey }),
    });
    if (newKey !== undefined) log.info({ keyFile }, "the first API key was made");

    const keys = await openKeys(database, config.keys);
    const contentKeys = createContentKeys(keys.tenantKeys);
    const keyRounds = startKeyRounds({ database, provider: keys.provider, contentKeys, log });
    shutdown.add("the wrapping of keys", () => keyRounds.close());
    const stores = await openKnownStores(database, config.storage);
    shutdown.add("the stores", () => stores.close());
    const store = everyStore(stores);
    const { garbageGraceMs: graceMs } = config.storage;
    const garbage = startGarbageRounds({ database, stores, graceMs, log });
    shutdown.add("garbage collection", () => garbage.close());
    const notifier = openNotifier(database, {
      enabled: config.dispatch.notify,
      onError: (err) => log.warn({ err }, "workers could not be told of new tasks; they will find them by polling"),
    });
    shutdown.add("the notifier", () => notifier.close());

    const metrics = createMetrics();
    metrics.beforeRender(atMostEvery(LANES_KEPT_MS, async () => metrics.lanesAre(await laneBacklog(database))));
    metrics.beforeRender(atMostEvery(LANES_KEPT_MS, async () => metrics.othersAre(await database.asSystem(readMetricTotals))));
    const metricRounds = startMetricRounds({ database, log });
    shutdown.add("the adding up of measurements", () => metricRounds.close());
    const status = createStatus({ database, log, metrics, listen: config.dispatch.notify });
    shutdown.add("the event reader", () => status.close());

    const quotas = openQuotas({ database, log, onRefused: () => metrics.quotaRefused() });
    shutdown.add("reservations", () => quotas.close());

    const contents = createContentStore({ stores, keys: contentKeys });
    const { scrubCycleMs: cycleMs, tiering } = config.storage;
    const scrubbing = startTurns({
      turn: (signal) => scrub({ database, contents, cycleMs, log, onChecked: (file) => metrics.scrubbed(file) }, signal),
      ended: "every stored file was read and compared",
      log,
    });
    shutdown.add("the scrub", () => scrubbing.close());
    if (tiering !== undefined) {
      const moving = startTurns({
        turn: (signal) => moveIdleFiles({ database, stores, log, ...tiering }, signal),
        ended: "files that nobody reads were moved to colder classes",
        log,
      });
      shutdown.add("the moves between classes", () => moving.close());
    }
    const reads = openReadNotes({ database, log });
    shutdown.add("notes of reads", () => reads.close());

    const catalogue = await loadCatalogue(config.workers.extraProcessors);
    const announce = (lanes: Iterable<string>) => {
      for (const lane of lanes) notifier.notify(READY_CHANNEL, lane);
    };
    const starters = startStarters({ database, catalogue, log, announce });
    shutdown.add("what starts jobs", () => starters.close());

    const app = await buildApp({
      database,
      contents,
      store,
      keys: keys.tenantKeys,
      keyAdmin: createKeyAdmin({ database, provider: keys.provider, rounds: keyRounds }),
      catalogue,
      log,
      metrics,
      status,
      limits: config.limits,
      publicUrl: config.http.publicUrl,
      quotas,
      reads,
      stores,
      workers: { most: config.workers.most, resize: resizeAtParent() },
      announce,
    });
    shutdown.add("the HTTP server", () => app.close());
    const port = await listen(app, config.http);
    tellReady({ port });
  },
  { stopWithinMs: STOP_WITHIN_MS },
);

/** The same look for all who ask within that time; a failed one is not kept. */
function atMostEvery(milliseconds: number, look: () => Promise<void>): () => Promise<void> {
  let last: { readonly at: number; readonly done: Promise<void> } | undefined;
  return async () => {
    if (last === undefined || performance.now() - last.at > milliseconds) last = { at: performance.now(), done: look() };
    const { done } = last;
    await done.catch((error: unknown) => {
      if (last?.done === done) last = undefined;
      throw error;
    });
  };
}

async function listen(app: FastifyInstance, { host, port }: HttpConfig): Promise<number> {
  const deadline = performance.now() + PORT_PATIENCE_MS;
  for (;;) {
    try {
      await app.listen({ host, port });
      const [address] = app.addresses();
      return typeof address === "object" ? address.port : port;
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
      if (error.code !== "EADDRINUSE") throw new StartError(`The API can't listen on ${host}:${port}: ${error.message}`);
      if (performance.now() > deadline) {
        throw new StartError(`Port ${port} of ${host} is in use by another program. Stop that, or set FILEMILL_PORT to a free port.`);
      }
      await delay(100);
    }
  }
}
