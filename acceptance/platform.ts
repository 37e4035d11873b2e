import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { adminKeyFile } from "@filemill/contract/data-folder.ts";
import { connect, type Client } from "@filemill/sdk/client.ts";

/** The platform as a user starts it, seen from outside only. */
export interface Platform {
  readonly url: string;
  readonly key: string;
  readonly client: Client;
  /** What it has written so far. */
  log(): string;
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 60_000;
const STOPPED_WITHIN_MS = 15_000;

/** Starts one on a free port and an empty data folder. Rejects with its log where it does not become ready. */
export async function startPlatform(): Promise<Platform> {
  const folder = await mkdtemp(join(tmpdir(), "filemill-acceptance-"));
  // Started by root, PostgreSQL runs as another user, who has to get through this folder.
  await chmod(folder, 0o711);
  const dataFolder = join(folder, "data");
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(process.execPath, [fileURLToPath(new URL("../server/bin/all.ts", import.meta.url))], {
    env: { ...process.env, FILEMILL_DATA_DIR: dataFolder, FILEMILL_PORT: String(port), FILEMILL_METRICS_PORT: String(await freePort()) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "exit");
  let log = "";
  for (const output of [child.stdout, child.stderr]) output.on("data", (chunk: Buffer) => (log += chunk.toString()));

  async function stop(): Promise<void> {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOPPED_WITHIN_MS);
    if (child.exitCode === null && child.signalCode === null) await ended;
    clearTimeout(timer);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }

  try {
    const client = connect({ url });
    const deadline = performance.now() + READY_WITHIN_MS;
    while (!(await client.ready(AbortSignal.timeout(5_000))).ready) {
      if (child.exitCode !== null || performance.now() > deadline) throw new Error(`the platform is not ready:\n${log}`);
      await delay(100);
    }
    const key = (await readFile(adminKeyFile(dataFolder), "utf8")).trim();
    return { url, key, client: connect({ url, key }), log: () => log, stop };
  } catch (error) {
    await stop();
    throw error;
  }
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
