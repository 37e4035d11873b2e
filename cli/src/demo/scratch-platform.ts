import { chmod, mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client } from "@filemill/sdk/client.ts";
import { startLocalPlatform } from "@filemill/sdk/local-platform.ts";
import type { Context } from "../context.ts";
import { CliError } from "../exit.ts";
import { programPath } from "../platform/child.ts";

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

const TAIL_LINES = 25;

/** Resolves once it is ready. Rejects with CliError and the end of its log when it isn't; nothing is left running then. */
export async function startScratchPlatform(environment: Context["environment"], signal: AbortSignal): Promise<ScratchPlatform> {
  const folder = await mkdtemp(join(tmpdir(), "filemill-demo-"));
  // Started by root, PostgreSQL runs as another user, who has to get through this folder to reach its own below.
  await chmod(folder, 0o711);
  const dataFolder = join(folder, "data");
  const logPath = join(folder, "platform.log");
  const log = await open(logPath, "a");
  const logTail = async () => (await readFile(logPath, "utf8")).trimEnd().split("\n").slice(-TAIL_LINES).join("\n");
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 5 });
  try {
    const platform = await startLocalPlatform({
      program: programPath("all"),
      dataFolder,
      environment: withoutSettings(environment),
      stdio: ["ignore", log.fd, log.fd],
      signal,
    });
    const { url, client, child } = platform;
    const stop = () => platform.stop().then(remove);
    return { url, folder, dataFolder, pid: child.pid, client, logTail, stop, leave: () => child.unref() };
  } catch (cause) {
    const tail = await logTail().catch(() => "");
    await remove();
    if (signal.aborted) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(`The platform did not start: ${reason}\nThe end of its log:\n${tail}`, 1, { cause });
  } finally {
    await log.close();
  }
}

/** The demo shows the defaults, whatever is set for the platform that runs here otherwise. */
function withoutSettings(environment: Context["environment"]): Context["environment"] {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("FILEMILL_")));
}
