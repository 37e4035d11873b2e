import type { Logger } from "pino";
import { compileCacheFolder } from "@filemill/contract/data-folder.ts";
import { readConfig, type Config } from "../src/config.ts";
import type { Shutdown } from "../src/shutdown.ts";
import { supervise, type ChildOptions, type SupervisedChild } from "../src/supervisor.ts";
import { openLog } from "../src/telemetry/log.ts";
import { mergeMetrics } from "../src/telemetry/merge-metrics.ts";
import { serveMetrics } from "../src/telemetry/serve-metrics.ts";
import { manageWorkers, type WorkerManager } from "../src/worker/manager.ts";
import { runProcess, StartError } from "./run-process.ts";
import { prepareDatabase } from "./start-database.ts";
import { addressOf, summary } from "./summary.ts";

/**
 * Everything on one machine. This process holds the database, the API process and the worker processes, and does no work
 * itself. Killed with -9 it leaves the database running, which the next start takes over; the other processes notice that
 * it is gone and end. All of them load their code while the database starts.
 */
const STOP_WITHIN_MS = 4_500;
/** Shares of that: workers give their tasks back, the API ends its requests; the database has the rest. */
const WORKERS_STOP_MS = 1_500;
const API_STOP_MS = 1_500;
/** Of Prometheus's text, version 0.0.4. */
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

await runProcess(
  async (shutdown) => {
    const config = readConfig(process.env);
    const log = openLog({ level: config.telemetry.logLevel, process: "all" });
    let port = config.http.port;
    const prepared = prepareDatabase(config, { log, shutdown, address: addressOf(config, port) });
    prepared.catch(() => undefined); // Thrown where it is awaited.
    const run = (name: string, file: string, options: Pick<ChildOptions, "onResize"> = {}): SupervisedChild => {
      const child = supervise({
        ...options,
        name,
        module: new URL(file, import.meta.url),
        environment: environmentFor(config),
        settings: async () => ({ FILEMILL_DATABASE_URL: (await prepared).databaseUrl, FILEMILL_PORT: String(port) }),
        log,
      });
      return child;
    };

    const api = run("API", "./api.ts", { onResize: (count) => workers.resize(count) });
    process.on("exit", () => api.killNow());
    shutdown.add("the API", () => api.stop(API_STOP_MS));
    const workers = manageWorkers({ count: config.workers.count, start: (name) => run(name, "./worker.ts"), log });
    process.on("exit", () => workers.killNow());
    shutdown.add("the workers", () => workers.stop(WORKERS_STOP_MS));
    const metricsPort = await serveWorkersMetrics(workers, { config, log, shutdown });
    const { key, setAddress } = await prepared;
    const [{ port: taken }, ...notes] = await Promise.all([api.ready, ...workers.ready]);
    port = taken ?? port;
    const sandbox = notes[0]?.note ?? "bwrap: processors have no network and see only their own files";
    await setAddress(addressOf(config, port));
    console.log(summary({ config, port, metricsPort, first: key.first, sandbox }));
    await key.shown();
  },
  { stopWithinMs: STOP_WITHIN_MS },
);

function environmentFor(config: Config): NodeJS.ProcessEnv {
  return {
    ...process.env,
    FILEMILL_DATA_DIR: config.dataFolder,
    FILEMILL_DATABASE_ADMIN_URL: "",
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? compileCacheFolder(config.dataFolder),
  };
}

/** The port, or undefined where another program has it and nobody asked for that very port. */
async function serveWorkersMetrics(
  workers: WorkerManager,
  { config, log, shutdown }: { config: Config; log: Logger; shutdown: Shutdown },
): Promise<number | undefined> {
  const { metricsPort, metricsPortChosen } = config.telemetry;
  const render = async () => mergeMetrics(await workers.measure());
  try {
    const server = await serveMetrics({ contentType: METRICS_TYPE, render }, metricsPort);
    shutdown.add("the metrics server", () => server.close());
    return server.port;
  } catch (cause) {
    const why = `Port ${metricsPort} for the workers' metrics can't be used (${cause instanceof Error ? cause.message : String(cause)})`;
    if (metricsPortChosen) throw new StartError(`${why}. Set FILEMILL_METRICS_PORT to a free port, or to 0 for any.`);
    log.warn(`${why}; they are not served. Set FILEMILL_METRICS_PORT to a free port.`);
    return undefined;
  }
}
