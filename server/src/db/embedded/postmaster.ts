import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile, realpath, rename, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import type { Account } from "./account.ts";
import type { Binaries } from "./binaries.ts";
import { serverEnvironment } from "./cluster.ts";
import { EmbeddedError } from "./embedded-error.ts";
import { liveProcess } from "./live-process.ts";

/** A running PostgreSQL server. */
export interface Postmaster {
  readonly pid: number;
  readonly port: number;
}

export interface PostmasterOptions {
  readonly binaries: Binaries;
  readonly account: Account | undefined;
  readonly folder: string;
  readonly password: string;
  readonly logFile: string;
  /** Tried first; another free port is taken where it is in use. */
  readonly preferredPort: number | undefined;
  readonly settings: Readonly<Record<string, string>>;
  /** Aborted: a server that is starting is told to stop at once. */
  readonly signal?: AbortSignal;
}

const START_TIMEOUT_MS = 60_000;
const POLL_MS = 25;
const MAX_LOG_BYTES = 10 * 2 ** 20;
/** cannot_connect_now: starting up, shutting down or in recovery. */
const NOT_YET = "57P03";

/**
 * The server of this data folder: the one that runs already, as after a killed parent, or a new one. A new one gets a
 * session of its own, so that Ctrl-C in a terminal reaches us and not it, and it outlives us where we are killed.
 */
export async function startPostmaster(options: PostmasterOptions): Promise<Postmaster> {
  const running = await findPostmaster(options.folder, options.password);
  if (running) return running;
  await rotateLog(options.logFile);
  for (const port of await candidatePorts(options.preferredPort)) {
    const started = await launch(options, port);
    if (started) return started;
    if (options.signal?.aborted) throw new EmbeddedError("stopped", "PostgreSQL was told to stop while it started.");
  }
  throw new EmbeddedError(
    "start_failed",
    `PostgreSQL in ${options.folder} did not start; the last lines of ${options.logFile}:\n${await lastLines(options.logFile)}`,
  );
}

/**
 * Starts a server that ended by itself again, at the port that everybody knows. Resolves to undefined where it can't be
 * done now: another program has the port, or processes of the old server still hold its memory.
 */
export async function restartPostmaster(options: PostmasterOptions, port: number): Promise<Postmaster | undefined> {
  const running = await findPostmaster(options.folder, options.password);
  if (running) return running.port === port ? running : undefined;
  return (await takePort(port)) === undefined ? undefined : await launch(options, port);
}

/** Is that server there? */
export async function isRunning(postmaster: Postmaster): Promise<boolean> {
  return await isPostgres(postmaster.pid);
}

/**
 * The live server of this data folder, or undefined. postmaster.pid alone proves nothing, because process ids are
 * used again: the server at that port must take our password and name this very data folder. Waits for one that starts
 * or stops.
 */
export async function findPostmaster(folder: string, password: string): Promise<Postmaster | undefined> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const written = await readPidFile(folder);
    if (!written || !(await isPostgres(written.pid))) return undefined;
    const answer = await ask(written.port, password);
    if (answer === (await realpath(folder))) return written;
    if (answer !== "not_yet" || performance.now() > deadline) return undefined;
    await delay(POLL_MS);
  }
}

/** Fast shutdown (open transactions are rolled back), then, at the deadline, an immediate one, which recovers at the next start. */
export async function stopPostmaster(postmaster: Postmaster, timeoutMs: number): Promise<void> {
  for (const [signal, waitMs] of [
    ["SIGINT", timeoutMs],
    ["SIGQUIT", timeoutMs],
  ] as const) {
    if (!(await isPostgres(postmaster.pid))) return;
    process.kill(postmaster.pid, signal);
    if (await waitFor(async () => !(await isPostgres(postmaster.pid)), waitMs)) return;
  }
  throw new EmbeddedError("stop_failed", `PostgreSQL (process ${postmaster.pid}) does not stop.`);
}

async function launch(options: PostmasterOptions, port: number): Promise<Postmaster | undefined> {
  const settings = { ...options.settings, port: String(port), listen_addresses: "127.0.0.1", unix_socket_directories: "" };
  const log = openSync(options.logFile, "a", 0o600);
  const child = spawn(
    options.binaries.postgres,
    ["-D", options.folder, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    {
      cwd: options.folder,
      env: serverEnvironment(),
      detached: true,
      stdio: ["ignore", log, log],
      ...(options.account && { uid: options.account.uid, gid: options.account.gid }),
    },
  );
  closeSync(log);
  let ended = false;
  child.once("error", () => {
    ended = true;
  });
  child.once("exit", () => {
    ended = true;
  });
  child.unref();
  const stop = () => child.kill("SIGQUIT");
  options.signal?.addEventListener("abort", stop);
  if (options.signal?.aborted) stop();
  let found: Postmaster | undefined;
  await waitFor(async () => {
    if (ended) return true;
    found = (await readPidFile(options.folder))?.pid === child.pid ? await findPostmaster(options.folder, options.password) : undefined;
    return found !== undefined;
  }, START_TIMEOUT_MS);
  options.signal?.removeEventListener("abort", stop);
  return found;
}

async function readPidFile(folder: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(folder, "postmaster.pid"), "utf8").catch(() => "");
  const [pid, , , port] = text.split("\n").map(Number);
  return pid !== undefined && pid > 0 && port !== undefined && port > 0 ? { pid, port } : undefined;
}

/** The server's data folder, "not_yet" while it starts or stops, undefined where it isn't ours or doesn't answer. */
async function ask(port: number, password: string): Promise<string | undefined> {
  const client = new pg.Client({
    host: "127.0.0.1",
    port,
    user: "postgres",
    password,
    database: "postgres",
    connectionTimeoutMillis: 2_000,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ data_directory: string }>("SHOW data_directory");
    return rows[0] && (await realpath(rows[0].data_directory));
  } catch (error) {
    if (error instanceof pg.DatabaseError) return error.code === NOT_YET ? "not_yet" : undefined;
    return "not_yet";
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function candidatePorts(preferred: number | undefined): Promise<number[]> {
  const ports: number[] = [];
  if (preferred !== undefined && (await takePort(preferred)) !== undefined) ports.push(preferred);
  for (let count = 0; count < 3; count++) {
    const port = await takePort(0);
    if (port !== undefined) ports.push(port);
  }
  return ports;
}

/** The port if it was free a moment ago (0: any), or undefined. */
function takePort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : undefined));
    });
  });
}

/** A process of that number that is a PostgreSQL server; process ids are used again. */
async function isPostgres(pid: number): Promise<boolean> {
  return (await liveProcess(pid))?.startsWith("postgres") === true;
}

async function waitFor(condition: () => boolean | Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    if (await condition()) return true;
    if (performance.now() > deadline) return false;
    await delay(POLL_MS);
  }
}

async function rotateLog(file: string): Promise<void> {
  const size = (await stat(file).catch(() => undefined))?.size ?? 0;
  if (size > MAX_LOG_BYTES) await rename(file, `${file}.1`);
}

async function lastLines(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text.trimEnd().split("\n").slice(-10).join("\n");
}
