import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readdir, rm, writeFile, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import type { TestProject } from "vitest/node";
import { serverAccount } from "../src/db/embedded/account.ts";
import { findBinaries } from "../src/db/embedded/binaries.ts";
import { ensureCluster } from "../src/db/embedded/cluster.ts";
import { liveProcess } from "../src/db/embedded/live-process.ts";
import { findPostmaster, startPostmaster, stopPostmaster } from "../src/db/embedded/postmaster.ts";
import { migrate } from "../src/db/migrate.ts";
import { warmCompileCache } from "./warm-compile-cache.ts";

/** Where test files find the cluster of this run. */
export interface TestCluster {
  /** Superuser, database `postgres`. */
  readonly adminUrl: string;
  /** A migrated database, to be cloned. */
  readonly template: string;
  /** What the server logs in as: `filemill:<password>`. */
  readonly login: string;
}

declare module "vitest" {
  interface ProvidedContext {
    cluster: TestCluster;
  }
}

const PREFIX = "filemill-test-";
const TEMPLATE = "filemill_template";

/** Starts one PostgreSQL for the whole run, with fsync on as in production, and a template database with our schema. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeAbandoned();
  const folder = await mkdtemp(join(tmpdir(), PREFIX));
  await chmod(folder, 0o711);
  const password = randomBytes(16).toString("hex");
  await writeFile(join(folder, "owner"), `${process.pid}\n${password}`, { mode: 0o600 });
  const account = await serverAccount();
  const binaries = await findBinaries(account, join(folder, "programs"));
  await warmCompileCache(join(folder, "compiled"));
  const cluster = { binaries, account, folder: join(folder, "data"), password };
  await ensureCluster(cluster);
  const postmaster = await startPostmaster({
    ...cluster,
    logFile: join(folder, "log"),
    preferredPort: undefined,
    settings: { max_connections: "200", shared_buffers: "128MB" },
  });
  const adminUrl = `postgres://postgres:${password}@127.0.0.1:${postmaster.port}/postgres`;
  await makeTemplate(adminUrl, password);
  project.provide("cluster", { adminUrl, template: TEMPLATE, login: `filemill:${password}` });
  return async () => {
    await stopPostmaster(postmaster, 10_000);
    // Runners write their compiled modules when they end, which some do just now.
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  };
}

async function makeTemplate(adminUrl: string, password: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  await client.query(`CREATE DATABASE ${TEMPLATE}`);
  await client.end();
  const url = new URL(adminUrl);
  url.pathname = `/${TEMPLATE}`;
  await migrate({ url: url.href, login: { name: "filemill", password } });
}

/** A run that was killed could not clean up; its cluster is stopped and removed by the next run. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const folder = join(tmpdir(), name);
    const [pid, password] = (await readFile(join(folder, "owner"), "utf8").catch(() => "")).split("\n");
    if (!pid || !password || (await liveProcess(Number(pid))) !== undefined) continue;
    const postmaster = await findPostmaster(join(folder, "data"), password).catch(() => undefined);
    if (postmaster) await stopPostmaster(postmaster, 10_000);
    await rm(folder, { recursive: true, force: true });
  }
}
