import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { adminKeyFile } from "@filemill/contract/data-folder.ts";
import { connect, type Client } from "./client.ts";

/** A whole platform as a child of this process. Node only. */
export interface LocalPlatform {
  readonly url: string;
  readonly key: string;
  readonly client: Client;
  readonly child: ChildProcess;
  /** SIGTERM, and SIGKILL for its process group where that takes too long. Resolves once it is gone; idempotent. */
  stop(): Promise<void>;
}

export interface LocalPlatformOptions {
  /** Path of the server's `bin/all.ts`. */
  readonly program: string;
  /** Where it keeps everything. Started by root, PostgreSQL's own user must be able to get there. */
  readonly dataFolder: string;
  /** All its variables; FILEMILL_PORT and FILEMILL_METRICS_PORT are free ones unless set here. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** With an "ipc" among them it ends with this process, even where that is killed; without one it lives on. */
  readonly stdio: StdioOptions;
  /** Told of the child before it is ready, to read what it writes. */
  readonly onSpawn?: (child: ChildProcess) => void;
  readonly signal?: AbortSignal;
}

const READY_WITHIN_MS = 120_000;
const STOPPED_WITHIN_MS = 20_000;
const LOOK_AGAIN_MS = 100;

/**
 * Starts one and resolves when it takes requests. Rejects with Error where it ends before or is not ready in time; nothing
 * is left running then. It gets a process group of its own: Ctrl-C in a terminal reaches it once, from us, and not a
 * second time from the terminal, which would force it to stop without draining.
 */
export async function startLocalPlatform(options: LocalPlatformOptions): Promise<LocalPlatform> {
  const { program, dataFolder, environment, stdio, signal } = options;
  const port = environment["FILEMILL_PORT"] || String(await freePort());
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(process.execPath, [program], {
    env: {
      FILEMILL_METRICS_PORT: "0",
      ...environment,
      FILEMILL_DATA_DIR: dataFolder,
      FILEMILL_PORT: port,
    },
    stdio,
    detached: process.platform !== "win32",
  });
  options.onSpawn?.(child);
  try {
    await becomesReady({ url, child, signal });
    const key = (await readFile(adminKeyFile(dataFolder), "utf8")).trim();
    return { url, key, client: connect({ url, key }), child, stop: () => stopProcess(child) };
  } catch (error) {
    await stopProcess(child);
    throw error;
  }
}

/** SIGTERM, and after `patienceMs` SIGKILL for its whole group. Resolves once it is gone. */
export async function stopProcess(child: ChildProcess, patienceMs = STOPPED_WITHIN_MS): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const { pid } = child;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => {
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      child.kill("SIGKILL");
    }
  }, patienceMs);
  await gone;
  clearTimeout(timer);
}

/** One of 127.0.0.1 that nobody uses at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("The system gave no port.");
  return address.port;
}

async function becomesReady(waiting: { url: string; child: ChildProcess; signal: AbortSignal | undefined }): Promise<void> {
  const { url, child, signal } = waiting;
  const client = connect({ url });
  const deadline = performance.now() + READY_WITHIN_MS;
  for (;;) {
    signal?.throwIfAborted();
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended with ${child.exitCode ?? child.signalCode}.`);
    const patience = AbortSignal.timeout(5_000);
    const state = await client.ready(signal ? AbortSignal.any([signal, patience]) : patience);
    if (state.ready) return;
    if (performance.now() > deadline) throw new Error(`it was not ready after ${READY_WITHIN_MS / 1_000} s (${state.detail}).`);
    await delay(LOOK_AGAIN_MS, undefined, signal ? { signal } : {});
  }
}
