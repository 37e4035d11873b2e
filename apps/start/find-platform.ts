import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { adminKeyFile, dataFolder } from "@filemill/contract/data-folder.ts";
import { connect, type Client } from "@filemill/sdk/client.ts";
import { startLocalPlatform } from "@filemill/sdk/local-platform.ts";
import type { Environment } from "./app.ts";
import { AppError } from "./app-error.ts";

export interface FoundPlatform {
  readonly client: Client;
  readonly url: string;
  /** Resolves when an embedded one has ended, whyever; never where a platform was named. */
  readonly ended: Promise<void>;
  /** Stops an embedded one; leaves one that was named alone. */
  stop(): Promise<void>;
}

interface Finding {
  readonly environment: Environment;
  /** Part of the data folder's name, so that two apps with platforms of their own don't share one. */
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

const ALL = fileURLToPath(new URL("../../server/bin/all.ts", import.meta.url));

/** The platform of FILEMILL_URL, else one of its own that ends with this process. Throws AppError. */
export async function findPlatform(finding: Finding): Promise<FoundPlatform> {
  const url = finding.environment["FILEMILL_URL"];
  if (!url) return startEmbedded(finding);
  const client = connect({ url, key: await keyFor(finding.environment), retries: 1 });
  return { client, url, ended: new Promise(() => undefined), stop: async () => undefined };
}

async function startEmbedded({ environment, name, settings, signal }: Finding): Promise<FoundPlatform> {
  const folder = environment["FILEMILL_DATA_DIR"] || `${dataFolder({ ...environment, FILEMILL_DATA_DIR: undefined })}-${name}`;
  try {
    const platform = await startLocalPlatform({
      program: ALL,
      dataFolder: folder,
      // A key of another platform is none of its settings.
      environment: { ...settings, ...environment, FILEMILL_KEY: undefined, FILEMILL_API_KEY: undefined },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      signal,
    });
    const ended = new Promise<void>((resolve) => platform.child.once("exit", () => resolve()));
    const client = connect({ url: platform.url, key: platform.key, retries: 1 });
    return { client, url: platform.url, ended, stop: platform.stop };
  } catch (cause) {
    signal.throwIfAborted();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError(`The platform in ${folder} did not start: ${reason} Name a running one by FILEMILL_URL, or see above.`, { cause });
  }
}

/** FILEMILL_KEY (or FILEMILL_API_KEY), else what a platform of this machine left in its data folder, as the command line does. */
async function keyFor(environment: Environment): Promise<string> {
  const chosen = environment["FILEMILL_KEY"] || environment["FILEMILL_API_KEY"];
  if (chosen) return chosen;
  const file = adminKeyFile(dataFolder(environment));
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (cause) {
    throw new AppError(`FILEMILL_URL is set, but no key: set FILEMILL_KEY to an API key of that platform (${file} can't be read).`, {
      cause,
    });
  }
}
