/**
 * Started as a process of its own by large-transfer tests: serves the API on the database given, sends itself one file
 * of random-looking bytes from another process's point of view, and prints how much its memory grew. See measureTransfer.
 */
import { pino } from "pino";
import { openDatabase } from "../src/db/database.ts";
import { buildApp } from "../src/http/app.ts";
import { openReadNotes } from "../src/lifecycle/note-reads.ts";
import { loadCatalogue } from "../src/processors/catalogue.ts";
import { createStatus } from "../src/status/status.ts";
import { openDiskStore } from "../src/storage/disk.ts";
import { createObjectStores } from "../src/storage/object-stores.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";
import { openQuotas } from "../src/tenants/quotas.ts";
import { contentsWith } from "./contents-in.ts";
import { keyAdminFor, keysFor } from "./tenant-keys.ts";

const [url = "", folder = ""] = process.argv.slice(2);
const database = openDatabase({ url, applicationName: "large-transfer" });
const log = pino({ level: "silent" });
const keys = keysFor(database);
const store = await openDiskStore({ folder });
const metrics = createMetrics();
const app = await buildApp({
  database,
  contents: contentsWith(store, keys),
  store,
  keys,
  keyAdmin: keyAdminFor(database),
  catalogue: await loadCatalogue(),
  log,
  metrics,
  status: createStatus({ database, log, metrics, listen: false }),
  limits: {
    maxFileBytes: 4 * 2 ** 30,
    maxFilesPerRequest: 10,
    maxOpenUploads: 10,
    uploadExpiryMs: 3_600_000,
    bulk: { maxEntries: 1_000_000, maxTotalBytes: 4 * 2 ** 30, spoolFolder: `${folder}/spool` },
  },
  quotas: openQuotas({ database, log }),
  reads: openReadNotes({ database, log }),
  stores: createObjectStores([{ store }]),
  workers: { most: 0 },
  announce: () => {},
});
process.send?.({ url: await app.listen({ host: "127.0.0.1", port: 0 }) });

let peak = 0;
setInterval(() => {
  peak = Math.max(peak, process.memoryUsage().rss);
}, 20).unref();
process.on("message", (message) => {
  const rss = process.memoryUsage().rss;
  if (message === "reset") peak = rss;
  process.send?.({ rss, peak: Math.max(peak, rss) });
});
process.on("disconnect", () => process.exit());
