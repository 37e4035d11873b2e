import { isIP } from "node:net";
import type { Reader } from "./config-reader.ts";

/** Where the platform may go when somebody names a URL: to the open internet on these ports, and to what is allowed. */
export interface FetchConfig {
  readonly ports: readonly number[];
  /** Beyond the open internet: what the operator named, such as a registry in the private network. */
  readonly allow: readonly AllowedTarget[];
}

/** A host by name, or every host with an address in a subnet. */
export interface AllowedTarget {
  /** Lower case; `*.example.org` is every name below it, not itself. */
  readonly host?: string;
  readonly subnet?: { readonly address: string; readonly prefix: number; readonly family: "ipv4" | "ipv6" };
  /** `listed`: those of FILEMILL_FETCH_PORTS. */
  readonly port: number | "any" | "listed";
}

export const DEFAULT_FETCH: FetchConfig = { ports: [80, 443], allow: [] };

export function readFetch(reader: Reader): FetchConfig {
  const ports = reader.list("FILEMILL_FETCH_PORTS", (text) => String(parsePort(text)));
  const allow = reader.list("FILEMILL_FETCH_ALLOW", (text) => {
    parseTarget(text);
    return text;
  });
  return { ports: ports?.map(Number) ?? DEFAULT_FETCH.ports, allow: allow?.map(parseTarget) ?? [] };
}

/**
 * `files.example.org`, `*.svc.cluster.local`, `10.1.2.3`, `10.0.0.0/8`, `fd00::/8`, each with `:9000` for one port more
 * than the listed ones, or `:*` for any; IPv6 then in brackets, `[fd00::/8]:9000`. Throws RangeError.
 */
export function parseTarget(text: string): AllowedTarget {
  const { place, port } = splitPort(text);
  const [address = "", prefixText, ...more] = place.split("/");
  const version = isIP(address);
  if (version === 0 && prefixText === undefined && HOST.test(place)) return { host: place.toLowerCase(), port };
  const most = version === 4 ? 32 : 128;
  const prefix = prefixText === undefined ? most : /^\d{1,3}$/.test(prefixText) ? Number(prefixText) : Number.NaN;
  if (version === 0 || more.length > 0 || address.includes("%") || !(prefix <= most)) {
    throw new RangeError(`has "${text}", which is no host, address or subnet such as registry.example.org:5000 or 10.0.0.0/8`);
  }
  return { subnet: { address, prefix, family: version === 4 ? "ipv4" : "ipv6" }, port };
}

/** At least one letter in the last label: what is all digits is meant as an address. */
const HOST = /^(\*\.)?([a-z0-9]([a-z0-9_-]*[a-z0-9])?\.)*(?=[a-z0-9-]*[a-z])[a-z0-9]([a-z0-9-]*[a-z0-9])?$/i;

function splitPort(text: string): { place: string; port: AllowedTarget["port"] } {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)|([0-9a-fA-F:.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:./]*))(?::(\d+|\*))?$/.exec(text);
  if (match === null) throw new RangeError(`has "${text}", which is no host, address or subnet; write IPv6 with a port as [fd00::/8]:9000`);
  const [, bracketed, plain, bare6, portText] = match;
  // A bare IPv6 address ends in what could be a port: it has none then.
  if (bare6 !== undefined) return { place: text, port: "listed" };
  const port = portText === undefined ? "listed" : portText === "*" ? "any" : parsePort(portText);
  return { place: bracketed ?? plain ?? "", port };
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new RangeError(`has "${text}", which is not a port from 1 to 65535`);
  return port;
}
