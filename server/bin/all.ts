import { pathToFileURL } from "node:url";
import { loginOf, readConfig, type Config } from "../src/config.ts";
import { openDatabase } from "../src/db/database.ts";
import { startEmbedded } from "../src/db/embedded.ts";
import { migrate } from "../src/db/migrate.ts";
import type { Shutdown } from "../src/shutdown.ts";
import { supervise, type SupervisedChild } from "../src/supervisor.ts";
import { openLog } from "../src/telemetry/log.ts";
import { bootstrap, type Bootstrap } from "../src/tenants/bootstrap.ts";
import { runProcess } from "./run-process.ts";

/**
 * `npm start`: everything on one machine. This process holds the database, the API process and the worker processes,
 * and does no work itself. Killed with -9 it leaves the database running, which the next start takes over; the other
 * processes notice that it is gone and end.
 */
const STOP_WITHIN_MS = 4_500;
/** Shares of that: workers give their tasks back, the API ends its requests, the database writes what it holds. */
const WORKERS_STOP_MS = 1_500;
const API_STOP_MS = 1_500;
const DATABASE_STOP_MS = 750;

await runProcess(
  async (shutdown) => {
    const config = readConfig(process.env);
    const log = openLog({ level: config.telemetry.logLevel, process: "all" });
    const { databaseUrl, setAddress } = await prepareDatabase(config, shutdown);
    const first = await makeWayIn(databaseUrl, config);

    let port = config.http.port;
    const environment = (): NodeJS.ProcessEnv => ({
      ...process.env,
      FILEMILL_DATA_DIR: config.dataFolder,
      FILEMILL_DATABASE_URL: databaseUrl,
      FILEMILL_DATABASE_ADMIN_URL: "",
      FILEMILL_STORAGE_URL: pathToFileURL(config.storage.folder).href,
      FILEMILL_PORT: String(port),
    });
    const run = (name: string, file: string): SupervisedChild => {
      const child = supervise({ name, module: new URL(file, import.meta.url), environment, log });
      process.on("exit", () => child.killNow());
      return child;
    };

    const api = run("API", "./api.ts");
    shutdown.add("the API", () => api.stop(API_STOP_MS));
    const workers = Array.from({ length: config.workers.count }, (_unused, index) => run(`worker ${index + 1}`, "./worker.ts"));
    shutdown.add("the workers", async () => void (await Promise.all(workers.map((worker) => worker.stop(WORKERS_STOP_MS)))));
    const [{ port: taken }, ...notes] = await Promise.all([api.ready, ...workers.map((worker) => worker.ready)]);
    port = taken ?? port;
    const sandbox = notes[0]?.note ?? "bwrap: processors have no network and see only their own files";
    await setAddress(addressOf(config, port));
    console.log(summary({ config, port, first, sandbox }));
  },
  { stopWithinMs: STOP_WITHIN_MS },
);

interface PreparedDatabase {
  /** What the other processes log in with. */
  readonly databaseUrl: string;
  readonly setAddress: (address: string) => Promise<void>;
}

/** Starts the embedded database unless another one is given, and migrates it. */
async function prepareDatabase(config: Config, shutdown: Shutdown): Promise<PreparedDatabase> {
  const { url, adminUrl } = config.database;
  if (url !== undefined) {
    await migrate(adminUrl === undefined ? { url } : { url: adminUrl, login: loginOf(url) });
    return { databaseUrl: url, setAddress: () => Promise.resolve() };
  }
  const embedded = await startEmbedded({ dataFolder: config.dataFolder, address: addressOf(config, config.http.port) });
  process.on("exit", () => embedded.stopNow());
  shutdown.add("the database", () => embedded.stop(DATABASE_STOP_MS));
  await migrate({ url: embedded.adminUrl, login: embedded.login });
  return { databaseUrl: embedded.url, setAddress: (address) => embedded.setAddress(address) };
}

async function makeWayIn(url: string, config: Config): Promise<Bootstrap> {
  const database = openDatabase({ url, applicationName: "filemill-all", maxConnections: 1 });
  try {
    return await bootstrap(database, {
      dataFolder: config.dataFolder,
      ...(config.bootstrapKey !== undefined && { chosenKey: config.bootstrapKey }),
    });
  } finally {
    await database.close();
  }
}

function summary({ config, port, first, sandbox }: { config: Config; port: number; first: Bootstrap; sandbox: string }): string {
  const address = addressOf(config, port);
  const lines = [
    "",
    `Filemill runs at   ${address}`,
    `API browser        ${address}/docs`,
    `API key            ${keyLine(config, first)}`,
    `Data folder        ${config.dataFolder}`,
    `Database           ${config.database.url === undefined ? "embedded PostgreSQL" : "FILEMILL_DATABASE_URL"}`,
    `Workers            ${config.workers.count}, ${config.workers.slots} tasks at once each, lanes ${config.workers.lanes.join(", ")}`,
  ];
  if (config.workers.count > 0) lines.push(`Sandbox            ${sandbox}`);
  if (first.newKey !== undefined) {
    lines.push("", "This is the first API key. It is shown this once:", `  ${first.newKey}`);
  }
  return [...lines, "", "Ctrl-C stops everything.", ""].join("\n");
}

function keyLine(config: Config, { keyFile }: Bootstrap): string {
  if (config.bootstrapKey !== undefined) return "as FILEMILL_BOOTSTRAP_KEY says";
  return keyFile ?? "made earlier; its file is not there any more. FILEMILL_BOOTSTRAP_KEY lets in a new one";
}

function addressOf({ http }: Config, port: number): string {
  return http.publicUrl ?? `http://${http.host === "0.0.0.0" || http.host === "::" ? "127.0.0.1" : http.host}:${port}`;
}
