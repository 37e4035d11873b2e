import { spawn } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { until } from "./conditions.ts";

/** The embedded PostgreSQL, seen from outside: what its files say, its process, and SQL as its superuser. */
export interface DatabaseServer {
  readonly port: number;
  /** As whom the product's processes log in. */
  appUrl(port?: number): string;
  /** SQL past all row-level security, over connections of its own, which are made anew after a restart. */
  query<Row>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Ends the server (fast, or at once without a checkpoint), keeps it away, starts it again, and waits until it takes queries. */
  restart(how: { signal: "SIGINT" | "SIGQUIT"; awayMs: number }): Promise<void>;
  /** Also stops a server that was started here. */
  close(): Promise<void>;
}

const DATABASE = "filemill";
const BACK_WITHIN_MS = 20_000;

export async function openDatabaseServer(dataFolder: string): Promise<DatabaseServer> {
  const home = join(dataFolder, "database");
  const cluster = join(home, "cluster");
  const { adminPassword, loginPassword, port } = JSON.parse(await readFile(join(home, "credentials.json"), "utf8")) as {
    adminPassword: string;
    loginPassword: string;
    port: number;
  };
  const adminUrl = `postgres://postgres:${adminPassword}@127.0.0.1:${port}/${DATABASE}`;
  const pool = new pg.Pool({ connectionString: adminUrl, max: 3, connectionTimeoutMillis: 5_000 });
  // The pool replaces connections that a restart cuts.
  pool.on("error", () => undefined);
  let startedHere = false;

  async function postmasterPid(): Promise<number | undefined> {
    const text = await readFile(join(cluster, "postmaster.pid"), "utf8").catch(() => "");
    return Number(text.split("\n")[0]) || undefined;
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const pid = await postmasterPid();
    if (pid === undefined) return;
    process.kill(pid, signal);
    await until(`PostgreSQL (process ${pid}) ends`, 15_000, async () => (await stat(`/proc/${pid}`).catch(() => undefined)) === undefined);
  }

  /** With the very command line of its last start, as the user that owns its folder. */
  async function start(): Promise<void> {
    const line = await readFile(join(cluster, "postmaster.opts"), "utf8");
    const [program = "", ...args] = [line.slice(0, line.indexOf(" ")), ...[...line.matchAll(/"([^"]*)"/g)].map((match) => match[1] ?? "")];
    const { uid, gid } = await stat(cluster);
    const child = spawn(program, args, {
      cwd: cluster,
      env: { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" },
      stdio: "ignore",
      detached: true,
      ...(process.getuid?.() === 0 && { uid, gid }),
    });
    child.unref();
    startedHere = true;
  }

  async function query<Row>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    const { rows } = await pool.query(text, [...values]);
    return rows as Row[];
  }

  return {
    port,
    appUrl: (through = port) => `postgres://filemill:${loginPassword}@127.0.0.1:${through}/${DATABASE}`,
    query,
    async restart({ signal, awayMs }) {
      await end(signal);
      await new Promise((resolve) => setTimeout(resolve, awayMs));
      await start();
      await until("PostgreSQL answers again", BACK_WITHIN_MS, () =>
        query("SELECT 1").then(
          () => true,
          () => false,
        ),
      );
    },
    async close() {
      await pool.end();
      if (startedHere) await end("SIGINT");
    },
  };
}
