import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { connect, type Client } from "@filemill/sdk/client.ts";

/** The whole platform as `npm start` gives it, with data of its own. */
export interface Platform {
  readonly url: string;
  readonly key: string;
  readonly client: Client;
  readonly pid: number;
  readonly dataFolder: string;
  close(): Promise<void>;
}

export async function startPlatform(settings: Readonly<Record<string, string>> = {}): Promise<Platform> {
  const folder = await mkdtemp(join(tmpdir(), "filemill-bench-"));
  await chmod(folder, 0o711);
  const dataFolder = join(folder, "data");
  const program = fileURLToPath(import.meta.resolve("@filemill/server/bin/all.ts"));
  const ours = { FILEMILL_DATA_DIR: dataFolder, FILEMILL_PORT: "0", FILEMILL_METRICS_PORT: "0", FILEMILL_LOG_LEVEL: "warn", ...settings };
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env["PATH"], HOME: folder, ...ours },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const died = exited.then(() => Promise.reject(new Error("The platform ended while it started; its last words are above")));
    died.catch(() => undefined);
    const url = await Promise.race([addressFrom(child.stdout), died]);
    const key = (await readFile(join(dataFolder, "admin.key"), "utf8")).trim();
    return { url, key, client: connect({ url, key }), pid: child.pid ?? 0, dataFolder, close: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The summary that the start prints names the address once everything answers. */
async function addressFrom(output: Readable): Promise<string> {
  let text = "";
  for (;;) {
    const [chunk] = await once(output, "data");
    text += String(chunk);
    const address = /runs at\s+(http:\S+)/.exec(text)?.[1];
    if (address !== undefined) {
      // Read on, or a full pipe would stop it.
      output.resume();
      return address;
    }
  }
}
