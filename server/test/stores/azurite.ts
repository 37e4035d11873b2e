import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../start-platform.ts";

/** Microsoft's own emulator of Azure Blob Storage, from npm. */
export interface Azurite {
  readonly endpoint: string;
  readonly account: string;
  readonly key: string;
  readonly connectionString: string;
  stop(): Promise<void>;
}

/** Made up for this; Azurite takes any that it is told. */
const ACCOUNT = "filemilltest";
const KEY = Buffer.from("a key of a server that lives for one test run").toString("base64");
const READY_WITHIN_MS = 30_000;

/** Starts it on a free port of 127.0.0.1, over a folder that it has for itself. */
export async function startAzurite(): Promise<Azurite> {
  const folder = await mkdtemp(join(tmpdir(), "filemill-azurite-"));
  const port = await freePort();
  const main = createRequire(import.meta.url).resolve("azurite/dist/src/blob/main.js");
  const args = ["--blobHost", "127.0.0.1", "--blobPort", String(port), "--location", folder];
  const child = spawn(process.execPath, [main, ...args, "--silent", "--disableTelemetry", "--skipApiVersionCheck"], {
    env: { PATH: process.env["PATH"], AZURITE_ACCOUNTS: `${ACCOUNT}:${KEY}` },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const errors: Buffer[] = [];
  child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
  const endWithUs = () => child.kill("SIGKILL");
  process.once("exit", endWithUs);
  const endpoint = `http://127.0.0.1:${port}/${ACCOUNT}`;
  const deadline = performance.now() + READY_WITHIN_MS;
  for (let status = 0; status === 0;) {
    status = await fetch(endpoint).then(
      (response) => response.status,
      () => 0,
    );
    if (performance.now() > deadline || child.exitCode !== null)
      throw new Error(`Azurite does not start: ${Buffer.concat(errors).toString()}`);
    await delay(50);
  }
  return {
    endpoint,
    account: ACCOUNT,
    key: KEY,
    connectionString: `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${KEY};BlobEndpoint=${endpoint};`,
    async stop() {
      process.removeListener("exit", endWithUs);
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      await rm(folder, { recursive: true, force: true });
    },
  };
}
