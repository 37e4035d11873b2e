import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { serverAccount } from "./embedded/account.ts";
import { liveProcess } from "./embedded/live-process.ts";
import { startEmbedded, type EmbeddedDatabase } from "./embedded.ts";
import { migrate } from "./migrate.ts";

const HOLD = new URL("../../test/embedded/hold.ts", import.meta.url);
const ADDRESS = "http://127.0.0.1:8080";

/** initdb takes 1.5 s alone, and many times that on a machine that runs everything else too. */
vi.setConfig({ testTimeout: 90_000 });

let parent: string;
let dataFolder: string;
let started: EmbeddedDatabase[];
let children: ChildProcess[];
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "filemill-embedded-"));
  await chmod(parent, 0o711);
  dataFolder = join(parent, "data");
  started = [];
  children = [];
});
afterEach(async () => {
  for (const database of started) await database.stop(5_000);
  for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  await rm(parent, { recursive: true, force: true });
});

async function start(): Promise<EmbeddedDatabase> {
  const database = await startEmbedded({ dataFolder, address: ADDRESS });
  started.push(database);
  return database;
}

interface Held {
  readonly child: ChildProcess;
  readonly pid?: number;
  readonly adminUrl?: string;
  readonly error?: string;
}

/** The same in a process that can be killed. */
async function startInProcess(): Promise<Held> {
  const child = fork(HOLD, [dataFolder]);
  children.push(child);
  const [message] = (await once(child, "message")) as [Omit<Held, "child">];
  return { child, ...message };
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

async function ask(url: string, query: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(query)).rows;
  } finally {
    await client.end();
  }
}

test("a new database is durable, has checksums, sorts by code point, and asks for a password", async () => {
  const { adminUrl, url, login } = await start();
  expect(await migrate({ url: adminUrl, login })).not.toEqual([]);
  expect(
    await ask(
      adminUrl,
      `SELECT name, setting FROM pg_settings
      WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'data_checksums', 'server_encoding', 'listen_addresses', 'unix_socket_directories', 'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count') ORDER BY name`,
    ),
  ).toEqual([
    { name: "data_checksums", setting: "on" },
    { name: "fsync", setting: "on" },
    { name: "full_page_writes", setting: "on" },
    { name: "listen_addresses", setting: "127.0.0.1" },
    { name: "server_encoding", setting: "UTF8" },
    { name: "synchronous_commit", setting: "on" },
    { name: "tcp_keepalives_count", setting: "3" },
    { name: "tcp_keepalives_idle", setting: "10" },
    { name: "tcp_keepalives_interval", setting: "5" },
    { name: "unix_socket_directories", setting: "" },
  ]);
  expect(await ask(url, "SELECT 'Z' < 'a' AS by_code_point, upper('é') AS upper")).toEqual([{ by_code_point: true, upper: "É" }]);
  const wrong = new URL(url);
  wrong.password = "guess";
  await expect(ask(wrong.href, "SELECT 1")).rejects.toThrow("password authentication failed");
  expect((await stat(join(dataFolder, "database", "credentials.json"))).mode & 0o777).toBe(0o600);
});

test("after a stop it starts again with what was in it, at the same port", async () => {
  const first = await start();
  await ask(first.adminUrl, "CREATE TABLE kept AS SELECT 42 AS answer");
  await first.stop(5_000);
  expect(await liveProcess(first.pid)).toBeUndefined();
  const second = await start();
  expect(second.adminUrl).toBe(first.adminUrl);
  expect(await ask(second.adminUrl, "SELECT answer FROM kept")).toEqual([{ answer: 42 }]);
});

test("when its port was taken meanwhile, it takes another", async () => {
  const first = await start();
  await first.stop(5_000);
  const squatter = createServer().listen(Number(new URL(first.url).port), "127.0.0.1");
  await once(squatter, "listening");
  try {
    const second = await start();
    expect(new URL(second.url).port).not.toBe(String((squatter.address() as AddressInfo).port));
    expect(await ask(second.adminUrl, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  } finally {
    squatter.close();
  }
});

test("the server of a killed process is taken over as it runs", async () => {
  const { child, pid, adminUrl } = await startInProcess();
  await ask(adminUrl ?? "", "CREATE TABLE kept AS SELECT 42 AS answer");
  await kill(child);
  const next = await start();
  expect(next.pid).toBe(pid);
  expect(await ask(next.adminUrl, "SELECT answer FROM kept")).toEqual([{ answer: 42 }]);
});

test("a killed server recovers, and a postmaster.pid that names a stranger fools nobody", async () => {
  const { child, pid, adminUrl } = await startInProcess();
  await ask(adminUrl ?? "", "CREATE TABLE kept AS SELECT 42 AS answer");
  await kill(child);
  process.kill(pid ?? 0, "SIGKILL");
  await expect.poll(() => liveProcess(pid ?? 0)).toBeUndefined();
  const pidFile = join(dataFolder, "database", "cluster", "postmaster.pid");
  await writeFile(pidFile, (await readFile(pidFile, "utf8")).replace(/^\d+/, String(process.pid)));
  const next = await start();
  expect(next.pid).not.toBe(process.pid);
  expect(await ask(next.adminUrl, "SELECT answer FROM kept")).toEqual([{ answer: 42 }]);
});

test("a second start on the folder is refused with who has it and what to do", async () => {
  const { child } = await startInProcess();
  await expect(start()).rejects.toMatchObject({ code: "in_use" });
  await expect(start()).rejects.toThrow(
    new RegExp(`${dataFolder} .*process ${child.pid}, at ${ADDRESS}.*kill ${child.pid}.*FILEMILL_DATA_DIR`),
  );
  const stopped = once(child, "exit");
  child.send("stop");
  await stopped;
  expect(await ask((await start()).adminUrl, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
});

test("of six first starts at once one has the folder", async () => {
  const held = await Promise.all(Array.from({ length: 6 }, startInProcess));
  const winners = held.filter((one) => one.pid !== undefined);
  expect(winners).toHaveLength(1);
  for (const { error } of held.filter((one) => one.pid === undefined)) expect(error).toContain("already runs on the data folder");
  const [winner] = winners;
  if (!winner) return;
  const stopped = once(winner.child, "exit");
  winner.child.send("stop");
  await stopped;
});

test("a first start that was killed while it made the cluster is healed by the next", async () => {
  const child = fork(HOLD, [dataFolder]);
  children.push(child);
  const home = join(dataFolder, "database");
  const making = async () => (await readdir(home).catch(() => [])).find((name) => name.startsWith("cluster.initdb-"));
  await expect.poll(making, { interval: 5, timeout: 10_000 }).toBeDefined();
  await kill(child);
  expect(await readdir(home)).not.toContain("cluster");
  const { adminUrl } = await start();
  expect(await ask(adminUrl, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  expect(await making()).toBeUndefined();
});

test("lost passwords are named, not replaced", async () => {
  await (await start()).stop(5_000);
  await rm(join(dataFolder, "database", "credentials.json"));
  await expect(start()).rejects.toMatchObject({ code: "credentials_lost" });
});

test("as root, a folder that the database's user can't reach is named, and nothing is left there", async () => {
  const account = await serverAccount();
  const locked = join(parent, "locked");
  await mkdir(locked, { mode: 0o700 });
  dataFolder = join(locked, "data");
  if (account === undefined) {
    // As a user the database runs as ourselves, and can go where we can.
    expect(await ask((await start()).adminUrl, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  } else {
    await expect(start()).rejects.toThrow(`can't pass ${locked} on the way`);
    expect(await readdir(locked)).toEqual([]);
  }
});
