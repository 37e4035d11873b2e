import { availableParallelism, homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { pathToFileURL } from "node:url";
import { readFetch, type FetchConfig } from "./config-fetch.ts";
import { readKeys, type KeysConfig } from "./config-keys.ts";
import { openReader, type Environment, type Reader } from "./config-reader.ts";
import { readSources, type SourcesConfig } from "./config-sources.ts";
import { ConfigError } from "./errors.ts";
import { azureFromEnvironment, parseStoreUrls, type StoreConfig } from "./store-urls.ts";
import { LOG_LEVELS, type LogLevel } from "./telemetry/log-levels.ts";

/** Everything that can be set, in the groups that its users need. Read once at start; nothing else looks at the environment. */
export interface Config {
  /** NODE_ENV=production: where things are kept is said, not guessed, and codecs need a sandbox. */
  readonly production: boolean;
  /** Absolute. Holds the embedded database, admin.key and, unless told otherwise, the stored objects. */
  readonly dataFolder: string;
  readonly http: HttpConfig;
  readonly database: DatabaseConfig;
  readonly storage: StorageConfig;
  readonly keys: KeysConfig;
  readonly limits: LimitsConfig;
  readonly workers: WorkersConfig;
  /** Whether work is announced by NOTIFY; polling finds it either way. */
  readonly dispatch: { readonly notify: boolean };
  /** Where URLs that people name may lead. */
  readonly fetch: FetchConfig;
  /** What jobs may collect from beyond the open internet. */
  readonly sources: SourcesConfig;
  readonly telemetry: TelemetryConfig;
  /** A first API key chosen beforehand; checked where it is used. */
  readonly bootstrapKey: string | undefined;
  /** Places where a test makes this process fail (failpoint.ts); never in production. */
  readonly failpoints: string | undefined;
}

export interface HttpConfig {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Where clients reach us, without a slash at the end, when that is not host and port. */
  readonly publicUrl: string | undefined;
}

export interface DatabaseConfig {
  /** undefined: the embedded one in the data folder. */
  readonly url: string | undefined;
  /** As who migrations run; undefined: as `url` says. */
  readonly adminUrl: string | undefined;
}

export interface StorageConfig {
  /** At least one; all names differ. */
  readonly stores: readonly StoreConfig[];
  /** Holds what waits to be sent to remote stores; nothing in it outlives its process. */
  readonly spoolFolder: string;
  /** How old an object without a row must be to be collected as garbage. */
  readonly garbageGraceMs: number;
  /** In which time every stored file is read and compared once. */
  readonly scrubCycleMs: number;
  /** When files that nobody reads go to colder classes; undefined: never. */
  readonly tiering: TieringConfig | undefined;
}

export interface TieringConfig {
  readonly coldAfterMs: number | undefined;
  readonly archiveAfterMs: number | undefined;
  /** Every so often all files are looked through. */
  readonly cycleMs: number;
}

export interface LimitsConfig {
  readonly maxFileBytes: number;
  readonly maxFilesPerRequest: number;
  /** Media types that are taken in, such as `image/*`; undefined: all. */
  readonly allowedTypes: readonly string[] | undefined;
  /** Resumable ones, of one tenant. */
  readonly maxOpenUploads: number;
  /** How long a resumable upload is kept after the last byte that came. */
  readonly uploadExpiryMs: number;
  readonly bulk: BulkConfig;
}

/** Of one archive sent to POST /files/bulk. */
export interface BulkConfig {
  readonly maxEntries: number;
  /** Of all its files, unpacked. */
  readonly maxTotalBytes: number;
  /** Where a zip is kept while it is read. */
  readonly spoolFolder: string;
}

export interface WorkersConfig {
  /** Worker processes that `npm start` runs at first. */
  readonly count: number;
  /** And how many it may be asked for while it runs. */
  readonly most: number;
  /** Tasks at once in each. */
  readonly slots: number;
  readonly lanes: readonly string[];
  /** Absolute paths of modules whose default export is an array of processors. */
  readonly extraProcessors: readonly string[];
  /** `required`: codec processors are unavailable where there is no sandbox. */
  readonly sandbox: "required" | "best-effort";
}

export interface TelemetryConfig {
  readonly logLevel: LogLevel;
  /** 0: any free one. */
  readonly metricsPort: number;
  /** It was set, not the default: somebody counts on it. */
  readonly metricsPortChosen: boolean;
}

/** What defaults depend on. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly root: boolean;
  readonly home: string;
  readonly cores: number;
}

/** Of the clients (SDK, CLI), which often share a shell with the server. */
const CLIENT_VARIABLES = ["FILEMILL_URL", "FILEMILL_KEY"];
const LANE = /^[a-z][a-z0-9-]{0,31}$/;
const MEDIA_TYPE_PATTERN = /^[a-z]+\/(?:\*|[a-z0-9][a-z0-9.+-]*)$/;
const MAX_FILES_PER_REQUEST = 1_000;
const SCRUB_CYCLE_MS = 30 * 86_400_000;
const TIERING_CYCLE_MS = 86_400_000;

/** Throws ConfigError that names every variable that is wrong, missing or unknown. An empty variable counts as not set. */
export function readConfig(env: Environment, machine: Machine = thisMachine()): Config {
  const reader = openReader(env);
  const production = env.NODE_ENV === "production";
  const dataFolder = reader.text("FILEMILL_DATA_DIR", absolutePath) ?? defaultDataFolder(env, machine);
  const config: Config = {
    production,
    dataFolder,
    http: {
      host: reader.text("FILEMILL_HOST") ?? "127.0.0.1",
      port: reader.number("FILEMILL_PORT", { least: 0, most: 65_535 }) ?? 8080,
      publicUrl: reader.text("FILEMILL_PUBLIC_URL", httpUrl),
    },
    database: {
      url: reader.text("FILEMILL_DATABASE_URL", databaseUrl) || undefined,
      adminUrl: reader.text("FILEMILL_DATABASE_ADMIN_URL", postgresUrl),
    },
    storage: {
      stores: readStores(reader, { env, dataFolder }),
      spoolFolder: join(dataFolder, "spool"),
      garbageGraceMs: reader.duration("FILEMILL_GARBAGE_GRACE") ?? 3_600_000,
      scrubCycleMs: reader.duration("FILEMILL_SCRUB_CYCLE") ?? SCRUB_CYCLE_MS,
      tiering: readTiering(reader),
    },
    keys: readKeys(reader, { production, dataFolder }),
    limits: {
      maxFileBytes: reader.size("FILEMILL_MAX_FILE_SIZE") ?? 5 * 2 ** 30,
      maxFilesPerRequest: MAX_FILES_PER_REQUEST,
      allowedTypes: reader.list("FILEMILL_ALLOWED_TYPES", mediaTypePattern),
      maxOpenUploads: reader.number("FILEMILL_MAX_OPEN_UPLOADS", { least: 1, most: 1_000_000 }) ?? 10_000,
      uploadExpiryMs: reader.duration("FILEMILL_UPLOAD_EXPIRY") ?? 24 * 3_600_000,
      bulk: {
        maxEntries: reader.number("FILEMILL_BULK_MAX_ENTRIES", { least: 1, most: 100_000_000 }) ?? 2_000_000,
        maxTotalBytes: reader.size("FILEMILL_BULK_MAX_SIZE") ?? 100 * 2 ** 30,
        spoolFolder: join(dataFolder, "spool"),
      },
    },
    workers: readWorkers(reader, { production, machine }),
    dispatch: { notify: reader.oneOf("FILEMILL_DISPATCH_NOTIFY", ["on", "off"]) !== "off" },
    fetch: readFetch(reader),
    sources: readSources(reader, env),
    telemetry: readTelemetry(reader),
    bootstrapKey: reader.text("FILEMILL_BOOTSTRAP_KEY"),
    failpoints: env.FAILPOINT === "" ? undefined : env.FAILPOINT,
  };
  reader.acceptAlso(CLIENT_VARIABLES);
  if (production) {
    reader.require("FILEMILL_DATA_DIR", "a folder that outlives this machine's temporary files");
    reader.require("FILEMILL_DATABASE_URL", 'postgres://… or "embedded"');
    if (env["AZURE_CONTAINER"] === undefined) reader.require("FILEMILL_STORAGE_URL", "file:///a/folder, s3://bucket or azure://container");
    if (config.failpoints !== undefined) reader.complain("FAILPOINT is for tests: it can't be set with NODE_ENV=production");
  }
  const problems = reader.finish();
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/** The database of a process that does not run the embedded one itself. Throws ConfigError. */
export function requireDatabaseUrl(config: Config): string {
  if (config.database.url !== undefined) return config.database.url;
  throw new ConfigError(['FILEMILL_DATABASE_URL must be set for this process; "npm start" runs the embedded database']);
}

/** The user and password in a database URL. Throws ConfigError where they are missing. */
export function loginOf(url: string): { name: string; password: string } {
  const { username, password } = new URL(url);
  if (username !== "" && password !== "") return { name: decodeURIComponent(username), password: decodeURIComponent(password) };
  throw new ConfigError(["FILEMILL_DATABASE_URL must name a user and a password, because FILEMILL_DATABASE_ADMIN_URL makes that user"]);
}

function readTiering(reader: Reader): TieringConfig | undefined {
  const coldAfterMs = reader.duration("FILEMILL_COLD_AFTER");
  const archiveAfterMs = reader.duration("FILEMILL_ARCHIVE_AFTER");
  const shortest = Math.min(coldAfterMs ?? Infinity, archiveAfterMs ?? Infinity);
  if (!Number.isFinite(shortest)) return undefined;
  return { coldAfterMs, archiveAfterMs, cycleMs: Math.min(shortest, TIERING_CYCLE_MS) };
}

function readWorkers(reader: Reader, { production, machine }: { production: boolean; machine: Machine }): WorkersConfig {
  const count = reader.number("FILEMILL_WORKERS", { least: 0, most: 256 }) ?? 2;
  return {
    count,
    most: reader.number("FILEMILL_MAX_WORKERS", { least: Math.max(1, count), most: 256 }) ?? Math.max(16, count),
    slots: reader.number("FILEMILL_WORKER_SLOTS", { least: 1, most: 256 }) ?? Math.max(1, Math.ceil(machine.cores / Math.max(1, count))),
    lanes: reader.list("FILEMILL_LANES", lane) ?? ["default", "heavy"],
    extraProcessors: reader.list("FILEMILL_EXTRA_PROCESSORS", modulePath) ?? [],
    sandbox: reader.oneOf("FILEMILL_SANDBOX", ["required", "best-effort"]) ?? (production ? "required" : "best-effort"),
  };
}

/** Without a word: a folder of ours, or the container that Azure's own variables name. */
function readStores(reader: Reader, { env, dataFolder }: { env: Environment; dataFolder: string }): readonly StoreConfig[] {
  const ours = pathToFileURL(join(dataFolder, "objects")).href;
  const told = reader.parsed("FILEMILL_STORAGE_URL", (text) => parseStoreUrls(text, env));
  if (told !== undefined) return told;
  try {
    return [azureFromEnvironment(env) ?? parseStoreUrls(ours, env)].flat();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    reader.complain(`AZURE_CONTAINER ${error.message}`);
    return [];
  }
}

function readTelemetry(reader: Reader): TelemetryConfig {
  const chosen = reader.number("FILEMILL_METRICS_PORT", { least: 0, most: 65_535 });
  return {
    logLevel: reader.oneOf("FILEMILL_LOG_LEVEL", LOG_LEVELS) ?? "info",
    metricsPort: chosen ?? 9100,
    metricsPortChosen: chosen !== undefined,
  };
}

/** For root a place that PostgreSQL's user can reach, which /root is not; for people where their system keeps such data. */
function defaultDataFolder(env: Environment, machine: Machine): string {
  if (machine.root) return "/var/lib/filemill";
  if (machine.platform === "darwin") return join(machine.home, "Library", "Application Support", "filemill");
  return join(env.XDG_DATA_HOME || join(machine.home, ".local", "share"), "filemill");
}

function thisMachine(): Machine {
  return { platform: process.platform, root: process.getuid?.() === 0, home: homedir(), cores: availableParallelism() };
}

function absolutePath(text: string): string {
  if (!isAbsolute(text)) throw new RangeError("must be an absolute path");
  return text;
}

function httpUrl(text: string): string {
  const protocol = URL.canParse(text) ? new URL(text).protocol : "";
  if (protocol !== "http:" && protocol !== "https:") throw new RangeError("must be a URL such as https://files.example.org");
  return text.replace(/\/+$/, "");
}

/** The embedded one is the empty text here, because undefined means that nothing was said. */
function databaseUrl(text: string): string {
  return text === "embedded" ? "" : postgresUrl(text);
}

/** Never repeats the text in the complaint: it may hold a password. */
function postgresUrl(text: string): string {
  const protocol = URL.canParse(text) ? new URL(text).protocol : "";
  if (protocol !== "postgres:" && protocol !== "postgresql:")
    throw new RangeError("must be a URL such as postgres://user:password@host/database");
  return text;
}

function lane(text: string): string {
  if (!LANE.test(text)) throw new RangeError(`has "${text}", which is not a lane: lower-case letters, digits and hyphens, at most 32`);
  return text;
}

function mediaTypePattern(text: string): string {
  if (MEDIA_TYPE_PATTERN.test(text)) return text;
  throw new RangeError(`has "${text}", which is not a media type; write for example "text/csv" or "image/*"`);
}

function modulePath(text: string): string {
  if (!isAbsolute(text)) throw new RangeError(`has "${text}", which is not an absolute path of a module`);
  return text;
}
