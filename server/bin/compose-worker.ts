import { dirname, join } from "node:path";
import type { Logger } from "pino";
import type { Config } from "../src/config.ts";
import type { Database } from "../src/db/database.ts";
import { openKnownStores } from "../src/lifecycle/require-stores.ts";
import { loadCatalogue } from "../src/processors/catalogue.ts";
import type { Shutdown } from "../src/shutdown.ts";
import { createContentStore } from "../src/storage/content-store.ts";
import { createContentKeys } from "../src/storage/keys/content-keys.ts";
import type { Metrics } from "../src/telemetry/metrics.ts";
import { openHostPool, type HostPool, type HostPoolOptions } from "../src/worker/host/pool.ts";
import { detectSandbox, type Sandbox } from "../src/worker/host/sandbox.ts";
import type { WorkerOptions } from "../src/worker/loop.ts";
import { countHosts, observeWorker } from "./observe-worker.ts";
import { openKeys } from "./open-keys.ts";
import { openSources } from "./open-sources.ts";

export interface Composed {
  readonly config: Config;
  readonly database: Database;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly shutdown: Shutdown;
  /** Where its step hosts are not those of a worker that stays. */
  readonly hosts?: Pick<HostPoolOptions, "first" | "spares" | "warmsCache">;
}

/** Everything that a worker works with, the step hosts and the stores opened side by side, and closed by `shutdown`. */
export async function composeWorker(parts: Composed): Promise<Omit<WorkerOptions, "id" | "openDispatch"> & { readonly sandbox: Sandbox }> {
  const { config, database, log, metrics } = parts;
  const { lanes, slots, extraProcessors } = config.workers;
  const [{ hosts, sandbox }, content, catalogue] = await Promise.all([
    openHosts(parts),
    openContent(parts),
    loadCatalogue(extraProcessors),
  ]);
  metrics.beforeRender(() => metrics.hostsAre(countHosts(hosts)));
  const sources = openSources(config, { database, contents: content.contents });
  parts.shutdown.add("what fetches inputs", () => sources.close());
  return {
    database,
    catalogue,
    sources,
    hosts,
    ...content,
    lanes,
    slots,
    notify: config.dispatch.notify,
    log,
    observe: observeWorker(metrics),
    sandbox,
  };
}

async function openHosts({ config, log, shutdown, hosts: differently }: Composed): Promise<{ hosts: HostPool; sandbox: Sandbox }> {
  const { slots, extraProcessors } = config.workers;
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
    ...differently,
  });
  shutdown.add("the step hosts", () => hosts.close());
  return { hosts, sandbox };
}

async function openContent({ config, database, shutdown }: Composed): Promise<Pick<WorkerOptions, "contents" | "secrets">> {
  const { tenantKeys } = await openKeys(database, config.keys);
  const stores = await openKnownStores(database, config.storage);
  shutdown.add("the stores", () => stores.close());
  return { contents: createContentStore({ stores, keys: createContentKeys(tenantKeys) }), secrets: tenantKeys };
}
