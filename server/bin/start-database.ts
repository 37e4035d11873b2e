import type { Logger } from "pino";
import { loginOf, type Config } from "../src/config.ts";
import { openDatabase } from "../src/db/database.ts";
import { startEmbedded } from "../src/db/embedded.ts";
import { migrate } from "../src/db/migrate.ts";
import type { Shutdown } from "../src/shutdown.ts";
import { bootstrap } from "../src/tenants/bootstrap.ts";
import { firstKey, type FirstKey } from "./first-key.ts";

/** The database writes what it holds, within this. */
const DATABASE_STOP_MS = 750;

export interface PreparedDatabase {
  /** What the other processes log in with. */
  readonly databaseUrl: string;
  readonly key: FirstKey;
  readonly setAddress: (address: string) => Promise<void>;
}

export interface DatabaseSurroundings {
  readonly log: Logger;
  readonly shutdown: Shutdown;
  /** Where the platform is served, for the message that a second start on this folder gives. */
  readonly address: string;
}

/** Starts the embedded database unless another one is given, migrates it, and makes the first key. */
export async function prepareDatabase(config: Config, surroundings: DatabaseSurroundings): Promise<PreparedDatabase> {
  const { url, adminUrl } = config.database;
  if (url !== undefined) {
    await migrate(adminUrl === undefined ? { url } : { url: adminUrl, login: loginOf(url) });
    return { databaseUrl: url, key: await makeWayIn(url, config), setAddress: () => Promise.resolve() };
  }
  const embedded = await startStoppable(config, surroundings);
  await migrate({ url: embedded.adminUrl, login: embedded.login });
  return {
    databaseUrl: embedded.url,
    key: await makeWayIn(embedded.url, config),
    setAddress: (address) => embedded.setAddress(address),
  };
}

/** A start takes seconds where the cluster has to be made; a signal, or the end of this process, stops it midway as well. */
async function startStoppable(config: Config, { log, shutdown, address }: DatabaseSurroundings): ReturnType<typeof startEmbedded> {
  const stop = new AbortController();
  const starting = startEmbedded({
    dataFolder: config.dataFolder,
    address,
    signal: stop.signal,
    onTrouble: (what) => log.error(what),
  });
  process.once("exit", () => stop.abort());
  shutdown.add("the database", async () => {
    stop.abort();
    await starting.then(
      (embedded) => embedded.stop(DATABASE_STOP_MS),
      () => undefined, // The start itself tells why it failed.
    );
  });
  const embedded = await starting;
  process.once("exit", () => embedded.stopNow());
  return embedded;
}

async function makeWayIn(url: string, config: Config): Promise<FirstKey> {
  const database = openDatabase({ url, applicationName: "filemill-all", maxConnections: 1 });
  try {
    const { dataFolder, bootstrapKey } = config;
    // A chosen key is known to who chose it.
    if (bootstrapKey !== undefined) {
      return { first: await bootstrap(database, { dataFolder, chosenKey: bootstrapKey }), shown: async () => undefined };
    }
    return await firstKey(dataFolder, () => bootstrap(database, { dataFolder }));
  } finally {
    await database.close();
  }
}
