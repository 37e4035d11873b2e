import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Issue } from "@filemill/contract/errors.ts";
import type { FileResource, FileSummary } from "@filemill/contract/files.ts";
import type { FastifyInstance } from "fastify";
import { pino } from "pino";
import { v7 as uuidv7 } from "uuid";
import { sql } from "../src/db/sql.ts";
import { buildApp, type AppOptions } from "../src/http/app.ts";
import type { Principal, Services, UploadLimits } from "../src/http/services.ts";
import { openReadNotes } from "../src/lifecycle/note-reads.ts";
import { loadCatalogue } from "../src/processors/catalogue.ts";
import { createStatus } from "../src/status/status.ts";
import { openDiskStore } from "../src/storage/disk.ts";
import type { KeyProvider } from "../src/storage/keys/key-provider.ts";
import type { ObjectStore } from "../src/storage/object-store.ts";
import { createObjectStores } from "../src/storage/object-stores.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";
import { createKey } from "../src/tenants/api-keys.ts";
import { openQuotas } from "../src/tenants/quotas.ts";
import { contentsWith } from "./contents-in.ts";
import { keyAdminFor, keysFor } from "./tenant-keys.ts";
import { cloneDatabase, type ClonedDatabase } from "./database.ts";

/** The whole API on a database and a disk store of its own, listening on a free port. */
export interface TestApp {
  readonly app: FastifyInstance;
  readonly services: Services;
  readonly cloned: ClonedDatabase;
  /** Folder of the disk store. */
  readonly folder: string;
  readonly url: string;
  /** Lines of the log, parsed. */
  readonly logged: Record<string, unknown>[];
  /** A new tenant with a key of this role. */
  tenant(role?: Principal["role"]): Promise<TestTenant>;
  close(): Promise<void>;
}

const BULK_LIMITS = (folder: string) => ({ maxEntries: 10_000, maxTotalBytes: 2 * 2 ** 30, spoolFolder: join(folder, "spool") });

/** Whatever a route may answer; what a test does not name is not there. */
export interface AnswerBody {
  readonly files: FileSummary[];
  readonly data: FileResource[];
  readonly next_cursor: string | null;
  readonly job_id: string;
  readonly status: string | number;
  readonly code: string;
  readonly detail: string;
  readonly issues: Issue[];
  readonly openapi: string;
  readonly paths: Record<string, unknown>;
}

export interface TestTenant {
  readonly id: string;
  readonly key: string;
  /** fetch with the key, on a path below /api/v1. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Another key of the same tenant. */
  keyWithRole(role: Principal["role"]): Promise<string>;
}

/** The JSON of an answer, typed by trust: assertions on it are what the tests are for. */
export async function answerOf(response: Response): Promise<AnswerBody> {
  return (await response.json()) as AnswerBody;
}

export async function startTestApp(
  given: {
    limits?: Partial<UploadLimits>;
    options?: AppOptions;
    store?: (real: ObjectStore) => ObjectStore;
    keyProvider?: KeyProvider;
  } = {},
): Promise<TestApp> {
  const cloned = await cloneDatabase();
  const folder = await mkdtemp(join(tmpdir(), "filemill-app-"));
  const logged: Record<string, unknown>[] = [];
  const log = pino({ level: "debug" }, { write: (line: string) => void logged.push(JSON.parse(line)) });
  const real = await openDiskStore({ folder });
  const store = given.store?.(real) ?? real;
  const metrics = createMetrics();
  const status = createStatus({ database: cloned.database, log, metrics, listen: false });
  const quotas = openQuotas({ database: cloned.database, log });
  const reads = openReadNotes({ database: cloned.database, log });
  const keys = keysFor(cloned.database, given.keyProvider);
  const services: Services = {
    database: cloned.database,
    contents: contentsWith(store, keys),
    store,
    keys,
    keyAdmin: keyAdminFor(cloned.database, given.keyProvider),
    catalogue: await loadCatalogue(),
    log,
    metrics,
    status,
    limits: {
      maxFileBytes: 2 * 2 ** 30,
      maxFilesPerRequest: 100,
      maxOpenUploads: 10_000,
      uploadExpiryMs: 86_400_000,
      bulk: BULK_LIMITS(folder),
      ...given.limits,
    },
    quotas,
    reads,
    stores: createObjectStores([{ store }]),
    workers: { most: 16 },
    announce: () => {},
  };
  const app = await buildApp(services, given.options);
  const url = await app.listen({ host: "127.0.0.1", port: 0 });

  async function newKey(tenantId: string, role: Principal["role"]): Promise<string> {
    const made = await cloned.database.asSystem((transaction) => createKey(transaction, { tenantId, name: role, role, actor: "system" }));
    return made.text;
  }

  return {
    app,
    services,
    cloned,
    folder,
    url,
    logged,
    async tenant(role = "user") {
      const id = uuidv7();
      await cloned.database.asSystem((transaction) => transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${id}::uuid, ${id})`));
      const key = await newKey(id, role);
      return {
        id,
        key,
        fetch: (path, init = {}) => {
          const headers = new Headers(init.headers);
          headers.set("authorization", `Bearer ${key}`);
          return fetch(`${url}/api/v1${path}`, { ...init, headers });
        },
        keyWithRole: (other) => newKey(id, other),
      };
    },
    async close() {
      await app.close();
      await status.close();
      await quotas.close();
      await reads.close();
      await cloned.close();
      await rm(folder, { recursive: true });
    },
  };
}
