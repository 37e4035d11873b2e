import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Client } from "@filemill/sdk/client.ts";
import { startLocalPlatform } from "@filemill/sdk/local-platform.ts";

/** The platform as a user starts it, seen from outside only. */
export interface Platform {
  readonly url: string;
  readonly key: string;
  readonly client: Client;
  readonly pid: number;
  /** What it has written so far. */
  log(): string;
  stop(): Promise<void>;
}

const ALL = fileURLToPath(new URL("../server/bin/all.ts", import.meta.url));

/** Starts one on a free port and an empty data folder. Rejects with its log where it does not become ready. */
export async function startPlatform(settings: Readonly<Record<string, string>> = {}): Promise<Platform> {
  const folder = await mkdtemp(join(tmpdir(), "filemill-acceptance-"));
  // Started by root, PostgreSQL runs as another user, who has to get through this folder.
  await chmod(folder, 0o711);
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 5 });
  let log = "";
  try {
    const { url, key, client, child, stop } = await startLocalPlatform({
      program: ALL,
      dataFolder: join(folder, "data"),
      environment: { ...process.env, ...settings },
      // It ends with the test runner, also where that is killed.
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      onSpawn: (child) => {
        for (const output of [child.stdout, child.stderr]) output?.on("data", (chunk: Buffer) => (log += chunk.toString()));
      },
    });
    if (child.pid === undefined) throw new Error("The platform has no process.");
    return { url, key, client, pid: child.pid, log: () => log, stop: () => stop().then(remove) };
  } catch (cause) {
    await remove();
    throw new Error(`The platform did not start:\n${log}`, { cause });
  }
}
