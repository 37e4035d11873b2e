import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";

/** `npm start` as people and machines meet it: a process, its output, its signals. */
const ALL = fileURLToPath(new URL("all.ts", import.meta.url));
vi.setConfig({ testTimeout: 120_000 });

let parent: string;
let dataFolder: string;
const running = new Set<ChildProcess>();
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "filemill-all-"));
  await chmod(parent, 0o711);
  dataFolder = join(parent, "data");
});
afterEach(async () => {
  await Promise.all([...running].map((child) => signal(child, "SIGTERM")));
});
afterAll(() => rm(parent, { recursive: true, force: true }));

interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Where it is served; undefined where it ended instead. */
  readonly address: string | undefined;
}

async function start(): Promise<Started> {
  const child = spawn(process.execPath, [ALL], {
    env: { PATH: process.env.PATH, FILEMILL_DATA_DIR: dataFolder, FILEMILL_PORT: "0", FILEMILL_WORKERS: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  let output = "";
  const address = new Promise<string | undefined>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        if (output.includes("Ctrl-C stops everything")) resolve(/Filemill runs at +(\S+)/.exec(output)?.[1]);
      });
    }
    child.once("close", () => resolve(undefined));
  });
  return { child, address: await address, output: () => output };
}

async function signal(child: ChildProcess, name: NodeJS.Signals): Promise<number | null> {
  const exit = once(child, "exit");
  child.kill(name);
  const [code] = (await exit) as [number | null];
  return code;
}

/** Processes that have our data folder in their command line or environment. */
async function processes(): Promise<{ pid: number; command: string }[]> {
  const found = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const read = (file: string) => readFile(`/proc/${name}/${file}`, "utf8").catch(() => "");
    const command = (await read("cmdline")).replaceAll("\0", " ");
    if (`${command} ${await read("environ")}`.includes(dataFolder)) found.push({ pid: Number(name), command });
  }
  return found;
}

async function listFiles(address: string | undefined): Promise<number> {
  const key = (await readFile(join(dataFolder, "admin.key"), "utf8")).trim();
  return (await fetch(`${address}/api/v1/files`, { headers: { authorization: `Bearer ${key}` } })).status;
}

test("it starts, says where and with which key, answers, and a signal leaves no process within five seconds", async () => {
  const { child, address, output } = await start();
  expect(output()).toContain(join(dataFolder, "admin.key"));
  expect(output()).toContain((await readFile(join(dataFolder, "admin.key"), "utf8")).trim());
  expect(await listFiles(address)).toBe(200);
  const began = performance.now();
  expect(await signal(child, "SIGINT")).toBe(0);
  expect(performance.now() - began).toBeLessThan(5_000);
  await expect.poll(processes).toEqual([]);
});

test("killed with -9, its processes end by themselves, the database stays, and the next start takes it over", async () => {
  const { child, address } = await start();
  expect(await listFiles(address)).toBe(200);
  const postmaster = async () => Number((await readFile(join(dataFolder, "database/cluster/postmaster.pid"), "utf8")).split("\n")[0]);
  const pid = await postmaster();
  await signal(child, "SIGKILL");
  await expect
    .poll(async () => (await processes()).filter(({ command }) => command.includes("server/bin/")), { timeout: 10_000 })
    .toEqual([]);
  const next = await start();
  expect(await postmaster()).toBe(pid);
  expect(next.output()).not.toContain("fml_live_");
  expect(await listFiles(next.address)).toBe(200);
});

test("a second start says who has the folder and ends with 1", async () => {
  const first = await start();
  const second = await start();
  expect(second.address).toBeUndefined();
  expect(second.child.exitCode).toBe(1);
  expect(second.output()).toContain(`already runs on the data folder ${dataFolder} (process ${first.child.pid}, at ${first.address})`);
});

test("a second signal ends it at once, and nothing is left either", async () => {
  const { child } = await start();
  child.kill("SIGTERM");
  await signal(child, "SIGTERM");
  await expect.poll(processes, { timeout: 10_000 }).toEqual([]);
});
