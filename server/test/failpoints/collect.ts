import pino from "pino";
import { openDatabase } from "../../src/db/database.ts";
import { installFailpoint } from "../../src/failpoint.ts";
import { collectGarbage } from "../../src/lifecycle/collect-garbage.ts";
import { openDiskStore } from "../../src/storage/disk.ts";
import { createObjectStores } from "../../src/storage/object-stores.ts";

/** One round of garbage collection as a process of its own: <database URL> <store folder> <failpoints>. */
const [url = "", folder = "", failpoints = ""] = process.argv.slice(2);
installFailpoint(failpoints);
const database = openDatabase({ url, applicationName: "collect" });
await collectGarbage({
  database,
  stores: createObjectStores([{ store: await openDiskStore({ folder }) }]),
  graceMs: 0,
  log: pino({ level: "silent" }),
});
await database.close();
