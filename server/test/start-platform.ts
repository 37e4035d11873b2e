import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { compileCache } from "./warm-compile-cache.ts";

/** `npm start` as people and machines meet it: a process, its output, its signals. */
export interface StartedPlatform {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Where it is served; undefined where it ended instead. */
  readonly address: string | undefined;
}

export interface StartSettings {
  readonly dataFolder: string;
  readonly variables?: Readonly<Record<string, string>>;
  /** As this user; only root can. */
  readonly user?: number;
}

const ALL = fileURLToPath(new URL("../bin/all.ts", import.meta.url));
const PORTS = { FILEMILL_PORT: "0", FILEMILL_METRICS_PORT: "0", FILEMILL_WORKERS: "1" };

/** The process at once; nobody waits until it serves. It has a process group of its own, as in a terminal. */
export function launchPlatform({ dataFolder, variables, user }: StartSettings): Pick<StartedPlatform, "child" | "output"> {
  const child = spawn(process.execPath, [ALL], {
    env: { PATH: process.env.PATH, ...compileCache(), FILEMILL_DATA_DIR: dataFolder, ...PORTS, ...variables },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    ...(user !== undefined && { uid: user, gid: user }),
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  return { child, output: () => output };
}

/** Resolves when it serves, or has ended. */
export async function startPlatform(settings: StartSettings): Promise<StartedPlatform> {
  const { child, output } = launchPlatform(settings);
  const serves = new Promise<string | undefined>((resolve) => {
    child.stdout?.on("data", () => {
      if (output().includes("Ctrl-C stops everything")) resolve(/Filemill runs at +(\S+)/.exec(output())?.[1]);
    });
    child.once("close", () => resolve(undefined));
  });
  return { child, address: await serves, output };
}

/** Sends the signal and gives the exit code; null where the signal itself ended it. */
export async function endPlatform(child: ChildProcess, name: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exit = once(child, "exit");
  child.kill(name);
  const [code] = (await exit) as [number | null];
  return code;
}

/** Processes that have this data folder in their command line or environment. */
export async function processesOn(dataFolder: string): Promise<{ pid: number; command: string }[]> {
  const found = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const read = (file: string) => readFile(`/proc/${name}/${file}`, "utf8").catch(() => "");
    const command = (await read("cmdline")).replaceAll("\0", " ");
    if (`${command} ${await read("environ")}`.includes(dataFolder)) found.push({ pid: Number(name), command });
  }
  return found;
}

/** The only process of that program, such as bin/api.ts, on this data folder. */
export async function processOf(dataFolder: string, program: string): Promise<number> {
  const found = (await processesOn(dataFolder)).filter(({ command }) => command.includes(program));
  expect(found).toHaveLength(1);
  return found[0]?.pid ?? 0;
}

export async function postmasterOf(dataFolder: string): Promise<number> {
  return Number((await readFile(join(dataFolder, "database/cluster/postmaster.pid"), "utf8")).split("\n")[0]);
}

/** Asks as the first administrator. */
export async function ask(
  { dataFolder, address }: { dataFolder: string; address: string | undefined },
  path: string,
  init: RequestInit = {},
) {
  const key = (await readFile(join(dataFolder, "admin.key"), "utf8")).trim();
  return await fetch(`${address}${path}`, { ...init, headers: { ...init.headers, authorization: `Bearer ${key}` } });
}

/** One that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}
