import { describe, expect, test } from "vitest";
import { readConfig, type Machine } from "./config.ts";
import { ConfigError } from "./errors.ts";

const machine: Machine = { platform: "linux", root: false, home: "/home/ann", cores: 4 };

const DISK = {
  kind: "disk",
  name: "disk",
  region: undefined,
  storageClass: "hot",
  mayBeEmpty: false,
  coldFolder: undefined,
  archiveFolder: undefined,
} as const;

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env, machine);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test("nothing has to be set outside production", () => {
  const config = readConfig({}, machine);
  expect(config).toEqual({
    production: false,
    dataFolder: "/home/ann/.local/share/filemill",
    http: { host: "127.0.0.1", port: 8080, publicUrl: undefined },
    database: { url: undefined, adminUrl: undefined },
    storage: {
      stores: [{ ...DISK, folder: "/home/ann/.local/share/filemill/objects" }],
      spoolFolder: "/home/ann/.local/share/filemill/spool",
      garbageGraceMs: 3_600_000,
      scrubCycleMs: 2_592_000_000,
      tiering: undefined,
    },
    keys: { service: undefined, file: "/home/ann/.local/share/filemill/root.key", mayMakeFile: true, text: undefined },
    limits: {
      maxFileBytes: 5 * 1024 ** 3,
      maxFilesPerRequest: 1000,
      allowedTypes: undefined,
      maxOpenUploads: 10_000,
      uploadExpiryMs: 86_400_000,
      bulk: { maxEntries: 2_000_000, maxTotalBytes: 100 * 1024 ** 3, spoolFolder: "/home/ann/.local/share/filemill/spool" },
    },
    workers: { count: 2, most: 16, slots: 2, lanes: ["default", "heavy"], extraProcessors: [], sandbox: "best-effort" },
    dispatch: { notify: true },
    fetch: { ports: [80, 443], allow: [] },
    sources: { named: new Map(), folders: [] },
    telemetry: { logLevel: "info", metricsPort: 9100, metricsPortChosen: false },
    bootstrapKey: undefined,
    failpoints: undefined,
  });
});

test.each([
  ["root", { ...machine, root: true }, {}, "/var/lib/filemill"],
  ["macOS", { ...machine, platform: "darwin" as const, home: "/Users/ann" }, {}, "/Users/ann/Library/Application Support/filemill"],
  ["XDG", machine, { XDG_DATA_HOME: "/data/ann" }, "/data/ann/filemill"],
  ["told", { ...machine, root: true }, { FILEMILL_DATA_DIR: "/srv/mill" }, "/srv/mill"],
])("the data folder of %s", (_case, where, env, folder) => {
  expect(readConfig(env, where).dataFolder).toBe(folder);
});

test.each([
  ["FILEMILL_SOURCE_A", "gs://bucket"],
  ["FILEMILL_SOURCE_A", "s3://key@bucket"],
  ["FILEMILL_SOURCE_A", "s3://k:s3cret@bucket?regon=x"],
  ["FILEMILL_SOURCE_A", "azure://container"],
  ["FILEMILL_SOURCE_A", "azure://container?account=a&key=s3cret&sas=s3cret"],
  ["FILEMILL_SOURCE_9A", "s3://bucket"],
  ["FILEMILL_WATCH_ROOTS", "inbox"],
  ["FILEMILL_WATCH_ROOTS", "/inbox?tenant=a"],
])("%s=%s is refused, without telling what may be secret", (name, text) => {
  const problems = problemsOf({ [name]: text });
  expect(problems).toEqual([expect.stringContaining(name)]);
  expect(problems.join()).not.toContain("s3cret");
});

test("every variable is read", () => {
  const config = readConfig(
    {
      FILEMILL_PORT: "0",
      FILEMILL_HOST: "0.0.0.0",
      FILEMILL_PUBLIC_URL: "https://files.example.org/",
      FILEMILL_DATA_DIR: "/srv/mill",
      FILEMILL_DATABASE_URL: "postgresql://a:b@db/mill",
      FILEMILL_DATABASE_ADMIN_URL: "postgres://root:b@db/mill",
      FILEMILL_STORAGE_URL: "file:///srv/my%20objects",
      FILEMILL_GARBAGE_GRACE: "2h",
      FILEMILL_SCRUB_CYCLE: "1d",
      FILEMILL_COLD_AFTER: "30d",
      FILEMILL_ARCHIVE_AFTER: "365d",
      FILEMILL_MAX_FILE_SIZE: "50MiB",
      FILEMILL_ALLOWED_TYPES: "image/*, text/csv",
      FILEMILL_BULK_MAX_ENTRIES: "5000",
      FILEMILL_BULK_MAX_SIZE: "1GiB",
      FILEMILL_WORKERS: "3",
      FILEMILL_MAX_WORKERS: "9",
      FILEMILL_WORKER_SLOTS: "7",
      FILEMILL_LANES: "default, eu-west",
      FILEMILL_EXTRA_PROCESSORS: "/srv/one.ts,/srv/two.ts",
      FILEMILL_SANDBOX: "required",
      FILEMILL_DISPATCH_NOTIFY: "off",
      FILEMILL_FETCH_PORTS: "80,8080",
      FILEMILL_FETCH_ALLOW: "registry.local:5000",
      FILEMILL_WATCH_ROOTS: "/srv/inbox,/srv/scans?tenants=acme+beta",
      FILEMILL_SOURCE_RAW_PHOTOS: "s3://AK:s%2Fk@photos/raw/?endpoint=http://10.0.0.5:9000/&region=eu-west-1&tenants=*",
      FILEMILL_SOURCE_REPORTS: "azure://reports?account=acme&sas=?sv=1%26sig=a+b%3D",
      FILEMILL_LOG_LEVEL: "debug",
      FILEMILL_METRICS_PORT: "9200",
      FILEMILL_BOOTSTRAP_KEY: "fml_live_x",
      FAILPOINT: "put:kill",
    },
    machine,
  );
  expect(config).toEqual({
    production: false,
    dataFolder: "/srv/mill",
    http: { host: "0.0.0.0", port: 0, publicUrl: "https://files.example.org" },
    database: { url: "postgresql://a:b@db/mill", adminUrl: "postgres://root:b@db/mill" },
    storage: {
      stores: [{ ...DISK, folder: "/srv/my objects" }],
      spoolFolder: "/srv/mill/spool",
      garbageGraceMs: 7_200_000,
      scrubCycleMs: 86_400_000,
      tiering: { coldAfterMs: 2_592_000_000, archiveAfterMs: 31_536_000_000, cycleMs: 86_400_000 },
    },
    keys: { service: undefined, file: "/srv/mill/root.key", mayMakeFile: true, text: undefined },
    limits: {
      maxFileBytes: 50 * 1024 ** 2,
      maxFilesPerRequest: 1000,
      allowedTypes: ["image/*", "text/csv"],
      maxOpenUploads: 10_000,
      uploadExpiryMs: 86_400_000,
      bulk: { maxEntries: 5_000, maxTotalBytes: 1024 ** 3, spoolFolder: "/srv/mill/spool" },
    },
    workers: {
      count: 3,
      most: 9,
      slots: 7,
      lanes: ["default", "eu-west"],
      extraProcessors: ["/srv/one.ts", "/srv/two.ts"],
      sandbox: "required",
    },
    dispatch: { notify: false },
    fetch: { ports: [80, 8080], allow: [{ host: "registry.local", port: 5000 }] },
    sources: {
      named: new Map<string, unknown>([
        [
          "raw-photos",
          {
            kind: "s3",
            tenants: "*",
            bucket: "photos",
            prefix: "raw/",
            endpoint: "http://10.0.0.5:9000",
            region: "eu-west-1",
            credentials: { accessKeyId: "AK", secretAccessKey: "s/k" },
            anonymous: false,
          },
        ],
        [
          "reports",
          {
            kind: "azure",
            tenants: ["default"],
            container: "reports",
            prefix: "",
            account: "acme",
            endpoint: "https://acme.blob.core.windows.net",
            access: { sas: "sv=1&sig=a+b=" },
          },
        ],
      ]),
      folders: [
        { path: "/srv/inbox", tenants: ["default"] },
        { path: "/srv/scans", tenants: ["acme", "beta"] },
      ],
    },
    telemetry: { logLevel: "debug", metricsPort: 9200, metricsPortChosen: true },
    bootstrapKey: "fml_live_x",
    failpoints: "put:kill",
  });
});

describe("a bad value is named with what it must be", () => {
  test.each([
    ["FILEMILL_ALLOWED_TYPES", "image/*,pictures", '"pictures", which is not a media type'],
    ["FILEMILL_PORT", "80a", "whole number from 0 to 65535"],
    ["FILEMILL_PORT", "70000", "whole number"],
    ["FILEMILL_PORT", "-1", "whole number"],
    ["FILEMILL_WORKERS", "1.5", "whole number"],
    ["FILEMILL_WORKER_SLOTS", "0", "from 1"],
    ["FILEMILL_METRICS_PORT", "x", "whole number"],
    ["FILEMILL_MAX_FILE_SIZE", "5", "size with a unit"],
    ["FILEMILL_MAX_FILE_SIZE", "0B", "size with a unit"],
    ["FILEMILL_DATA_DIR", "data", "absolute path"],
    ["FILEMILL_DATABASE_URL", "mysql://u:secret@h/d", "postgres://"],
    ["FILEMILL_DATABASE_ADMIN_URL", "embedded", "postgres://"],
    ["FILEMILL_STORAGE_URL", "/var/objects", "file:///"],
    ["FILEMILL_PUBLIC_URL", "files.example.org", "https://"],
    ["FILEMILL_LANES", "Default", '"Default"'],
    ["FILEMILL_LANES", "a,a", "twice"],
    ["FILEMILL_LANES", ",", "not a lane"],
    ["FILEMILL_EXTRA_PROCESSORS", "./mine.ts", "absolute path"],
    ["FILEMILL_SANDBOX", "yes", "required, best-effort"],
    ["FILEMILL_DISPATCH_NOTIFY", "true", "on, off"],
    ["FILEMILL_LOG_LEVEL", "loud", "trace, debug, info"],
  ])("%s=%s", (name, value, message) => {
    const problems = problemsOf({ [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name} `));
    expect(problems[0]).toContain(message);
    expect(problems[0]).not.toContain("secret");
  });
});

test("all problems are told at once", () => {
  expect(problemsOf({ FILEMILL_PORT: "x", FILEMILL_WORKERS: "y", FILEMILL_WORKES: "2" })).toHaveLength(3);
});

test.each([
  ["FILEMILL_WORKES", "did you mean FILEMILL_WORKERS?"],
  ["FILEMILL_DATABASE_ULR", "did you mean FILEMILL_DATABASE_URL?"],
  ["FILEMILL_FROBNICATION", "is not a setting of Filemill"],
])("%s is unknown", (name, message) => {
  expect(problemsOf({ [name]: "1" })).toEqual([expect.stringContaining(message)]);
});

test("variables of the clients and empty ones are no mistake", () => {
  expect(problemsOf({ FILEMILL_URL: "http://x", FILEMILL_KEY: "k", FILEMILL_PORT: "", PATH: "/bin" })).toEqual([]);
});

describe("in production", () => {
  const complete = {
    NODE_ENV: "production",
    FILEMILL_DATA_DIR: "/srv/mill",
    FILEMILL_DATABASE_URL: "embedded",
    FILEMILL_STORAGE_URL: "file:///srv/mill/objects",
    FILEMILL_ROOT_KEY_FILE: "/run/secrets/root.key",
  };

  test("the sandbox is required, and the embedded database must be asked for by name", () => {
    const config = readConfig(complete, machine);
    expect(config.workers.sandbox).toBe("required");
    expect(config.database.url).toBeUndefined();
  });

  test.each(["FILEMILL_DATA_DIR", "FILEMILL_DATABASE_URL", "FILEMILL_STORAGE_URL", "FILEMILL_ROOT_KEY_FILE"])(
    "%s has no default",
    (name) => {
      expect(problemsOf({ ...complete, [name]: "" })).toEqual([expect.stringContaining(`${name} must be set`)]);
    },
  );

  test("failpoints are refused", () => {
    expect(problemsOf({ ...complete, FAILPOINT: "put:kill" })).toEqual([expect.stringContaining("FAILPOINT")]);
  });
});
