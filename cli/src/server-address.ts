import { isIPv6 } from "node:net";
import { CliError, EXIT } from "./exit.ts";

/** Where a platform that is started with these variables takes requests, as seen from its own machine. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORT = 8080;
const LOOPBACK = "127.0.0.1";
/** Listened at, they stand for every address of the machine; nobody can be connected to there. */
const EVERY_ADDRESS: Readonly<Record<string, string>> = { "0.0.0.0": LOOPBACK, "::": "::1" };

/** By FILEMILL_HOST and FILEMILL_PORT, as the server reads them. Throws CliError for a port that names no place. */
export function serverAddress(environment: Readonly<Record<string, string | undefined>>): ServerAddress {
  const host = environment["FILEMILL_HOST"] || LOOPBACK;
  const chosen = environment["FILEMILL_PORT"] || String(DEFAULT_PORT);
  const port = Number(chosen);
  if (port === 0) throw new CliError("FILEMILL_PORT=0 lets the platform choose its port; set FILEMILL_URL to what it printed.", EXIT.usage);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new CliError(`FILEMILL_PORT is "${chosen}"; set it to a whole number from 0 to 65535, or set FILEMILL_URL.`, EXIT.usage);
  }
  return { host: EVERY_ADDRESS[host] ?? host, port };
}

export function urlOf({ host, port }: ServerAddress): string {
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}
