import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { serverAccount } from "@filemill/server/src/db/embedded/account.ts";
import { findBinaries } from "@filemill/server/src/db/embedded/binaries.ts";
import { ensureCluster } from "@filemill/server/src/db/embedded/cluster.ts";
import { startPostmaster, stopPostmaster } from "@filemill/server/src/db/embedded/postmaster.ts";
import { migrate } from "@filemill/server/src/db/migrate.ts";

/** One PostgreSQL for all contestants of a row, each in a database of its own. */
export interface BenchCluster {
  /** A new empty database; the address logs in as a superuser. */
  emptyDatabase(name: string): Promise<string>;
  /** A database with our schema; the address logs in as the server does. */
  ourDatabase(): Promise<{ url: string; adminUrl: string }>;
  /** Superuser, database `postgres`. */
  readonly adminUrl: string;
  readonly postmasterPid: number;
  close(): Promise<void>;
}

/** fsync and synchronous_commit stay on for everyone; the rest is what the embedded database starts with. */
const SETTINGS = { max_connections: "200", shared_buffers: "256MB" };

export async function startCluster(): Promise<BenchCluster> {
  const folder = await mkdtemp(join(tmpdir(), "filemill-bench-"));
  await chmod(folder, 0o711);
  const password = randomBytes(16).toString("hex");
  const account = await serverAccount();
  const binaries = await findBinaries(account, join(folder, "programs"));
  const cluster = { binaries, account, folder: join(folder, "data"), password };
  await ensureCluster(cluster);
  const postmaster = await startPostmaster({ ...cluster, logFile: join(folder, "log"), preferredPort: undefined, settings: SETTINGS });
  // Also where the bench is stopped midway; SIGQUIT is PostgreSQL's immediate shutdown.
  let running = true;
  process.once("exit", () => running && process.kill(postmaster.pid, "SIGQUIT"));
  const address = (database: string, login = `postgres:${password}`) => `postgres://${login}@127.0.0.1:${postmaster.port}/${database}`;
  const emptyDatabase = async (name: string) => {
    const client = new pg.Client({ connectionString: address("postgres") });
    await client.connect();
    await client.query(`CREATE DATABASE ${name}`);
    await client.end();
    return address(name);
  };
  return {
    emptyDatabase,
    async ourDatabase() {
      const adminUrl = await emptyDatabase(`filemill_${randomBytes(4).toString("hex")}`);
      await migrate({ url: adminUrl, login: { name: "filemill", password } });
      return { adminUrl, url: address(new URL(adminUrl).pathname.slice(1), `filemill:${password}`) };
    },
    adminUrl: address("postgres"),
    postmasterPid: postmaster.pid,
    async close() {
      await stopPostmaster(postmaster, 10_000);
      running = false;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
