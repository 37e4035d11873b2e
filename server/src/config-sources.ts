import { isAbsolute, resolve } from "node:path";
import type { Environment, Reader } from "./config-reader.ts";

/** What jobs may collect from beyond the open internet: places that the operator has named, and folders. */
export interface SourcesConfig {
  /** By the name that jobs use. */
  readonly named: ReadonlyMap<string, NamedSource>;
  readonly folders: readonly AllowedFolder[];
}

export type NamedSource = NamedS3 | NamedAzure;

/** Names of the tenants that may use it; all of them with `*`. */
type Tenants = readonly string[] | "*";

export interface NamedS3 {
  readonly kind: "s3";
  readonly tenants: Tenants;
  readonly bucket: string;
  /** Jobs see only what lies below; "" is everything. */
  readonly prefix: string;
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  /** undefined: those of the process, as the AWS SDK finds them. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  readonly anonymous: boolean;
}

export interface NamedAzure {
  readonly kind: "azure";
  readonly tenants: Tenants;
  readonly container: string;
  readonly prefix: string;
  readonly account: string;
  /** Of the account, such as https://account.blob.core.windows.net. */
  readonly endpoint: string;
  readonly access: { readonly key: string } | { readonly sas: string } | "anonymous";
}

export interface AllowedFolder {
  /** Absolute, as the operator wrote it. */
  readonly path: string;
  readonly tenants: Tenants;
}

const PREFIX = "FILEMILL_SOURCE_";
/** Where nothing is said; a machine with one tenant needs no more, and one with many must say who may see what. */
const DEFAULT_TENANTS = ["default"];

/**
 * `FILEMILL_SOURCE_<NAME>=s3://key:secret@bucket/prefix?endpoint=&region=&tenants=` or
 * `azure://container/prefix?account=&key=|sas=&endpoint=&tenants=`; `FILEMILL_WATCH_ROOTS=/a/folder?tenants=a+b,/another`.
 */
export function readSources(reader: Reader, env: Environment): SourcesConfig {
  const named = new Map<string, NamedSource>();
  for (const variable of Object.keys(env)
    .filter((name) => name.startsWith(PREFIX))
    .toSorted()) {
    const name = variable.slice(PREFIX.length).toLowerCase().replaceAll("_", "-");
    const text = reader.text(variable, (value) => {
      if (!/^[a-z][a-z0-9-]{0,31}$/.test(name)) throw new RangeError("is no name of a source: letters, digits and underscores");
      parseSource(value);
      return value;
    });
    if (text !== undefined) named.set(name, parseSource(text));
  }
  const folders = reader.list("FILEMILL_WATCH_ROOTS", (text) => {
    parseFolder(text);
    return text;
  });
  return { named, folders: folders?.map(parseFolder) ?? [] };
}

export function mayUse(place: { readonly tenants: Tenants }, tenantName: string | undefined): boolean {
  return place.tenants === "*" || (tenantName !== undefined && place.tenants.includes(tenantName));
}

/** Never repeats the text in the complaint: it may hold a secret. */
function parseSource(text: string): NamedSource {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "s3:" && url.hostname !== "") return parseS3(url);
  if (url?.protocol === "azure:" && url.hostname !== "") return parseAzure(url);
  throw new RangeError("must be a URL such as s3://key:secret@bucket/prefix?endpoint=https://… or azure://container?account=…&key=…");
}

function parseS3(url: URL): NamedS3 {
  const query = parametersOf(url, ["endpoint", "region", "tenants", "anonymous"]);
  const accessKeyId = decodeURIComponent(url.username);
  const secretAccessKey = decodeURIComponent(url.password);
  if ((accessKeyId === "") !== (secretAccessKey === "")) throw new RangeError("must have both a key and its secret, or neither");
  return {
    kind: "s3",
    tenants: tenantsOf(query.get("tenants")),
    bucket: url.hostname,
    prefix: prefixOf(url),
    endpoint: endpointOf(query.get("endpoint")),
    region: query.get("region"),
    credentials: accessKeyId === "" ? undefined : { accessKeyId, secretAccessKey },
    anonymous: query.get("anonymous") === "true",
  };
}

function parseAzure(url: URL): NamedAzure {
  const query = parametersOf(url, ["account", "key", "sas", "endpoint", "tenants"]);
  const account = query.get("account");
  if (account === undefined) throw new RangeError("must name the account: azure://container?account=…");
  const [key, sas] = [query.get("key"), query.get("sas")];
  if (key !== undefined && sas !== undefined) throw new RangeError("must have a key or a sas, not both");
  return {
    kind: "azure",
    tenants: tenantsOf(query.get("tenants")),
    container: url.hostname,
    prefix: prefixOf(url),
    account,
    endpoint: endpointOf(query.get("endpoint")) ?? `https://${account}.blob.core.windows.net`,
    access: key !== undefined ? { key } : sas !== undefined ? { sas: sas.replace(/^\?/, "") } : "anonymous",
  };
}

function parseFolder(text: string): AllowedFolder {
  const [path = "", ...query] = text.split("?");
  const [, tenants] = /^tenants=(.+)$/.exec(query.join("?")) ?? [];
  if (!isAbsolute(path) || (query.length > 0 && tenants === undefined)) {
    throw new RangeError(`has "${text}", which is no absolute path such as /srv/inbox or /srv/inbox?tenants=acme`);
  }
  return { path: resolve(path), tenants: tenantsOf(tenants) };
}

function parametersOf(url: URL, known: readonly string[]): { get(name: string): string | undefined } {
  for (const name of url.searchParams.keys()) {
    if (!known.includes(name)) throw new RangeError(`has "${name}", which is no parameter of a source: ${known.join(", ")}`);
  }
  // A "+" is one in keys and signatures, and not a blank.
  const values = new URLSearchParams(url.search.replaceAll("+", "%2B"));
  return { get: (name) => values.get(name) || undefined };
}

function prefixOf(url: URL): string {
  return decodeURIComponent(url.pathname.replace(/^\//, ""));
}

function endpointOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const protocol = URL.canParse(text) ? new URL(text).protocol : "";
  if (protocol !== "http:" && protocol !== "https:") throw new RangeError("must have an endpoint such as https://s3.example.org");
  return text.replace(/\/+$/, "");
}

function tenantsOf(text: string | undefined): Tenants {
  if (text === "*") return "*";
  return text === undefined ? DEFAULT_TENANTS : text.split("+").filter((name) => name !== "");
}
