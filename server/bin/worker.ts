import { readConfig, requireDatabaseUrl } from "../src/config.ts";
import { openDatabase } from "../src/db/database.ts";
import { requireMigrated } from "../src/db/require-migrated.ts";
import { installFailpoint } from "../src/failpoint.ts";
import { openDiskStore } from "../src/storage/disk.ts";
import { openLog } from "../src/telemetry/log.ts";
import { runProcess, tellReady } from "./run-process.ts";

/** A worker: one of any number of equal processes that claim tasks of the same database. */
const STOP_WITHIN_MS = 25_000;
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
    const store = await openDiskStore({ folder: config.storage.folder });
    shutdown.add("the store", () => store.close());

    // The loop of worker/loop.ts starts here; its stop drains.
    tellReady();
  },
  { stopWithinMs: STOP_WITHIN_MS },
);
