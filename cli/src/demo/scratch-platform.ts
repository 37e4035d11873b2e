import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, open, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { adminKeyFile } from "@filemill/contract/data-folder.ts";
import { connect, type Client } from "@filemill/sdk/client.ts";
import type { Context } from "../context.ts";
import { CliError } from "../exit.ts";
import { startProgram, stopProgram } from "../platform/child.ts";

/** A whole platform of its own, on a free port and in a folder that goes with it. */
export interface ScratchPlatform {
  readonly url: string;
  readonly folder: string;
  readonly dataFolder: string;
  readonly pid: number | undefined;
  readonly client: Client;
  /** The last lines that the platform has written. */
  logTail(): Promise<string>;
  /** Ends every process and removes the folder. */
  stop(): Promise<void>;
  /** Lets it run on after this process has ended. */
  leave(): void;
}

const START_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 20_000;
const LOOK_AGAIN_MS = 100;
const TAIL_LINES = 25;

/** Resolves once it is ready. Rejects with CliError and the end of its log when it isn't; nothing is left running then. */
export async function startScratchPlatform(environment: Context["environment"], signal: AbortSignal): Promise<ScratchPlatform> {
  const folder = await mkdtemp(join(tmpdir(), "filemill-demo-"));
  // Started by root, PostgreSQL runs as another user, who has to get through this folder to reach its own below.
  await chmod(folder, 0o711);
  const dataFolder = join(folder, "data");
  const logPath = join(folder, "platform.log");
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const log = await open(logPath, "a");
  const settings = { FILEMILL_DATA_DIR: dataFolder, FILEMILL_PORT: String(port), FILEMILL_METRICS_PORT: String(await freePort()) };
  const child = startProgram({ program: "all", environment: { ...withoutSettings(environment), ...settings }, output: log.fd });
  await log.close();

  const logTail = async () => (await readFile(logPath, "utf8")).trimEnd().split("\n").slice(-TAIL_LINES).join("\n");
  const stop = async () => {
    await stopProgram(child, STOP_LIMIT_MS);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await ready({ url, child, signal });
    const key = (await readFile(adminKeyFile(dataFolder), "utf8")).trim();
    return { url, folder, dataFolder, pid: child.pid, client: connect({ url, key }), logTail, stop, leave: () => child.unref() };
  } catch (cause) {
    const tail = await logTail().catch(() => "");
    await stop();
    if (signal.aborted) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(`The platform did not start: ${reason}\nThe end of its log:\n${tail}`, 1, { cause });
  }
}

async function ready({ url, child, signal }: { url: string; child: ChildProcess; signal: AbortSignal }): Promise<void> {
  const client = connect({ url });
  const deadline = performance.now() + START_LIMIT_MS;
  for (;;) {
    signal.throwIfAborted();
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended with ${child.exitCode ?? child.signalCode}.`);
    const state = await client.ready(AbortSignal.any([signal, AbortSignal.timeout(5_000)]));
    if (state.ready) return;
    if (performance.now() > deadline) throw new Error(`it was not ready after ${START_LIMIT_MS / 1_000} s (${state.detail}).`);
    await sleep(LOOK_AGAIN_MS, undefined, { signal });
  }
}

/** The demo shows the defaults, whatever is set for the platform that runs here otherwise. */
function withoutSettings(environment: Context["environment"]): Context["environment"] {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("FILEMILL_")));
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("The system gave no port.");
  return address.port;
}
