import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { until } from "./conditions.ts";
import { openDatabaseServer, type DatabaseServer } from "./database-server.ts";
import { startProgram, type Program } from "./program.ts";

/** The product as processes on an empty data folder: `npm start` without workers, and whatever a scenario starts beside it. */
export interface Site {
  /** Of the API process that `npm start` runs and starts again when it dies. */
  readonly url: string;
  readonly key: string;
  readonly storeFolder: string;
  readonly ledgerFolder: string;
  readonly database: DatabaseServer;
  readonly startedAt: Date;
  programs(): readonly Program[];
  startApi(env?: Readonly<Record<string, string>>): Promise<{ url: string; program: Program }>;
  startWorker(options?: WorkerOptions): Promise<Worker>;
  stop(): Promise<void>;
}

export interface WorkerOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly slots?: number;
  /** Of a proxy in front of the database. */
  readonly databasePort?: number;
  readonly underParent?: boolean;
}

export interface Worker extends Program {
  /** As in the table `workers`. */
  readonly id: string;
}

export interface SiteOptions {
  /** A checkout; the one that this file is in unless told. */
  readonly root?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const READY_WITHIN_MS = 60_000;
const STOPPED_WITHIN_MS = 30_000;
/** What is tested: the checkout that this suite lies in, or another one. */
export const CHECKOUT = resolve(process.env.CHAOS_CHECKOUT ?? join(import.meta.dirname, "../.."));

export async function startSite({ root = CHECKOUT, env = {} }: SiteOptions = {}): Promise<Site> {
  const startedAt = new Date();
  const folder = await mkdtemp(join(tmpdir(), "filemill-chaos-"));
  // Started by root, PostgreSQL runs as another user, who has to get through this folder.
  await chmod(folder, 0o711);
  const dataFolder = join(folder, "data");
  const programs: Program[] = [];
  let database: DatabaseServer | undefined;

  const base = {
    FILEMILL_DATA_DIR: dataFolder,
    FILEMILL_METRICS_PORT: "0",
    FILEMILL_EXTRA_PROCESSORS: `${join(root, "acceptance/chaos/processors/stamp.ts")},${join(root, "server/test/processors/demo.ts")}`,
    ...env,
  };

  function run(name: string, file: string, more: { env: Readonly<Record<string, string>>; underParent?: boolean }): Program {
    const program = startProgram({ ...more, name, file: join(root, "server/bin", file), env: { ...base, ...more.env } });
    programs.push(program);
    return program;
  }

  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= stopAll());

  async function stopAll(): Promise<void> {
    const [first, ...others] = programs;
    await Promise.all(others.map((program) => end(program)));
    if (first) await end(first);
    await database?.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }

  try {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const all = run("npm start", "all.ts", { env: { FILEMILL_PORT: String(port), FILEMILL_WORKERS: "0" } });
    await said(all, "Ctrl-C stops everything");
    const opened = (database = await openDatabaseServer(dataFolder));
    const key = (await readFile(join(dataFolder, "admin.key"), "utf8")).trim();
    const connection = { FILEMILL_DATABASE_URL: opened.appUrl(), FILEMILL_STORAGE_URL: `file://${dataFolder}/objects` };
    return {
      url,
      key,
      startedAt,
      database: opened,
      storeFolder: join(dataFolder, "objects"),
      ledgerFolder: join(folder, "ledgers"),
      programs: () => programs,
      async startApi(more = {}) {
        const apiPort = await freePort();
        const program = run(`API ${programs.length}`, "api.ts", { env: { ...connection, FILEMILL_PORT: String(apiPort), ...more } });
        const apiUrl = `http://127.0.0.1:${apiPort}`;
        await until(`${program.name} answers:\n${program.log()}`, READY_WITHIN_MS, () =>
          fetch(`${apiUrl}/healthz`).then(
            ({ ok }) => ok,
            () => false,
          ),
        );
        return { url: apiUrl, program };
      },
      async startWorker({ env: more = {}, slots = 2, databasePort, underParent = false } = {}) {
        const program = run(`worker ${programs.length}`, "worker.ts", {
          underParent,
          env: { ...connection, FILEMILL_DATABASE_URL: opened.appUrl(databasePort), FILEMILL_WORKER_SLOTS: String(slots), ...more },
        });
        await said(program, "the worker takes tasks");
        const id = /"worker":"([0-9a-f-]{36})"/.exec(program.log())?.[1];
        if (id === undefined) throw new Error(`a worker does not say who it is:\n${program.log()}`);
        return { ...program, id };
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function said(program: Program, text: string): Promise<void> {
  await until(`${program.name} says "${text}"`, READY_WITHIN_MS, () => program.log().includes(text) || !program.isRunning()).catch(
    (error: unknown) => {
      throw new Error(program.log(), { cause: error });
    },
  );
  if (!program.log().includes(text)) throw new Error(`${program.name} ended:\n${program.log()}`);
}

async function end(program: Program): Promise<void> {
  if (!program.isRunning()) return;
  // One that a scenario stopped can't take the other.
  program.signal("SIGCONT");
  program.signal("SIGTERM");
  const timer = setTimeout(() => program.signal("SIGKILL"), STOPPED_WITHIN_MS);
  await program.ended;
  clearTimeout(timer);
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("the system gave no port");
  return address.port;
}
