import { readFile } from "node:fs/promises";
import type { Writable } from "node:stream";
import { adminKeyFile, dataFolder } from "@filemill/contract/data-folder.ts";
import { connect, type Client } from "@filemill/sdk/client.ts";
import { serverAddress, urlOf } from "./server-address.ts";

/** What a command may touch; made once in bin/. */
export interface Context {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Results. With --json exactly one JSON document. */
  readonly stdout: Writable;
  /** Progress and errors. */
  readonly stderr: Writable & { isTTY?: boolean; columns?: number };
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Hands SIGINT and SIGTERM to `listener`, which then has to end the command itself; gives the way back. */
  readonly onSignal: (listener: (signal: NodeJS.Signals) => void) => () => void;
  /** Set by a command that ended in order but not well, such as a job that failed. */
  exitCode: number;
}

/** FILEMILL_URL, else where a platform of this machine serves that has the same variables. Throws CliError. */
export function serverUrl({ environment }: Context): string {
  return environment["FILEMILL_URL"] || urlOf(serverAddress(environment));
}

/** A client of that server with the key of FILEMILL_KEY, else the one in the data folder. */
export async function clientOf(context: Context): Promise<Client> {
  return connect({ url: serverUrl(context), key: await apiKey(context) });
}

/** undefined where there is none: the server then answers `unauthenticated`, which says what to do. */
export async function apiKey(context: Context): Promise<string | undefined> {
  const chosen = context.environment["FILEMILL_KEY"];
  if (chosen) return chosen;
  try {
    return (await readFile(adminKeyFile(dataFolder(context.environment)), "utf8")).trim();
  } catch {
    return undefined;
  }
}
