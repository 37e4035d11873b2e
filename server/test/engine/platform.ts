import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import type { JobSource } from "@filemill/contract/source.ts";
import pino from "pino";
import { openSources } from "../../bin/open-sources.ts";
import { parseTarget } from "../../src/config-fetch.ts";
import type { SourcesConfig } from "../../src/config-sources.ts";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { resolvePipeline } from "../../src/jobs/pipelines/resolve.ts";
import type { Submission } from "../../src/jobs/submission.ts";
import { submitJob } from "../../src/jobs/submit.ts";
import { readManifests } from "../../src/outputs/content.ts";
import { loadCatalogue, type Catalogue } from "../../src/processors/catalogue.ts";
import type { ContentStore } from "../../src/storage/content-store.ts";
import { openDiskStore } from "../../src/storage/disk.ts";
import type { ObjectStore } from "../../src/storage/object-store.ts";
import { receiveFile } from "../../src/uploads/receive.ts";
import { insertFiles } from "../../src/record/files.ts";
import { openHostPool, type HostPool } from "../../src/worker/host/pool.ts";
import { detectSandbox } from "../../src/worker/host/sandbox.ts";
import { startWorker, type Worker, type WorkerOptions } from "../../src/worker/loop.ts";
import { contentsWith } from "../contents-in.ts";
import { keysFor } from "../tenant-keys.ts";

export const DEMO_PROCESSORS = fileURLToPath(new URL("../processors/demo.ts", import.meta.url));

/** Everything of a platform but HTTP, in this process, with real step hosts and a real store, in a folder of its own. */
export interface Platform {
  readonly database: Database;
  readonly store: ObjectStore;
  readonly contents: ContentStore;
  readonly storeFolder: string;
  /** Where all tenants may collect from. */
  readonly inbox: string;
  readonly catalogue: Catalogue;
  readonly hosts: HostPool;
  worker(options?: Partial<WorkerOptions>): Promise<Worker>;
  put(tenantId: string, name: string, content: string | Buffer): Promise<string>;
  submit(tenantId: string, pipeline: string | PipelineDocument, files: readonly string[]): Promise<string>;
  submitSource(tenantId: string, pipeline: string | PipelineDocument, source: JobSource): Promise<string>;
  /** Waits until the job has ended; its status. */
  ended(jobId: string, withinMs?: number): Promise<string>;
  /** Kept outputs in order, as text. */
  outputs(tenantId: string, jobId: string): Promise<{ step: string; ordinal: number; name: string; text: string }[]>;
  close(): Promise<void>;
}

export async function openPlatform(
  database: Database,
  options: { slots?: number; named?: SourcesConfig["named"] } = {},
): Promise<Platform> {
  const folder = await mkdtemp(join(tmpdir(), "filemill-platform-"));
  const storeFolder = join(folder, "store");
  const store = await openDiskStore({ folder: storeFolder });
  const contents = contentsWith(store, keysFor(database));
  const catalogue = await loadCatalogue([DEMO_PROCESSORS]);
  const log = pino({ level: process.env["TEST_LOG"] ?? "silent" });
  const slots = options.slots ?? 2;
  const sandbox = await detectSandbox("best-effort");
  const hosts = await openHostPool({
    sandbox,
    log,
    slots,
    scratchRoot: join(folder, "scratch"),
    extraModules: [DEMO_PROCESSORS],
    readOnly: [dirname(DEMO_PROCESSORS)],
  });
  const inbox = join(folder, "inbox");
  await mkdir(inbox);
  const sources = openSources(
    {
      sources: { named: options.named ?? new Map(), folders: [{ path: inbox, tenants: "*" }] },
      fetch: { ports: [80, 443], allow: [parseTarget("127.0.0.1:*")] },
      limits: { maxFileBytes: 2 ** 30 },
    },
    { database, contents },
  );
  const workers: Worker[] = [];

  async function submit(
    tenantId: string,
    pipeline: string | PipelineDocument,
    given: Pick<Submission, "inputs" | "source">,
  ): Promise<string> {
    const { jobId, lanes } = await database.asTenant(tenantId, async (transaction) => {
      const planned = await resolvePipeline(transaction, { pipeline, params: {} }, catalogue);
      return await submitJob(transaction, { tenantId, pipeline: planned, ...given, priority: 0, metadata: {} });
    });
    await database.asSystem((transaction) =>
      transaction.query(sql`SELECT pg_notify('filemill_ready', lane) FROM unnest(${[...lanes]}::text[]) AS lane`),
    );
    return jobId;
  }

  return {
    database,
    store,
    contents,
    storeFolder,
    inbox,
    catalogue,
    hosts,
    async worker(overrides = {}) {
      const observe = { claimed: () => {}, ended: () => {}, failed: () => {}, leaseLost: () => {}, committed: () => {}, reaped: () => {} };
      const worker = await startWorker({
        database,
        contents,
        catalogue,
        sources,
        hosts,
        lanes: ["default"],
        slots,
        notify: true,
        log,
        observe,
        ...overrides,
      });
      workers.push(worker);
      return worker;
    },
    async put(tenantId, name, content) {
      const body = Readable.from([Buffer.from(content)], { objectMode: false });
      const file = await receiveFile(body, { contents, tenantId, name, metadata: {}, maxBytes: 2 ** 30 });
      await database.asTenant(tenantId, (transaction) => insertFiles(transaction, [file]));
      return file.id;
    },
    async submit(tenantId, pipeline, files) {
      const rows = await database.asTenant(tenantId, (transaction) =>
        transaction.query<{ fileId: string; sizeBytes: number }>(
          sql`SELECT id AS "fileId", size_bytes AS "sizeBytes" FROM files WHERE id = ANY(${files}::uuid[])`,
        ),
      );
      const sizes = new Map(rows.map((row) => [row.fileId, row.sizeBytes]));
      return await submit(tenantId, pipeline, { inputs: files.map((fileId) => ({ fileId, sizeBytes: sizes.get(fileId) ?? 0 })) });
    },
    submitSource: (tenantId, pipeline, source) => submit(tenantId, pipeline, { inputs: [], source }),
    async ended(jobId, withinMs = 15_000) {
      const deadline = performance.now() + withinMs;
      for (;;) {
        const [job] = await database.asSystem((transaction) =>
          transaction.query<{ status: string }>(sql`SELECT status FROM jobs WHERE id = ${jobId}::uuid`),
        );
        if (job && !["queued", "running"].includes(job.status)) return job.status;
        if (performance.now() > deadline) throw new Error(`job ${jobId} is still ${job?.status} after ${withinMs} ms`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async outputs(tenantId, jobId) {
      return await readOutputs(database, contents, { tenantId, jobId });
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.drain(0)));
      await sources.close();
      await hosts.close();
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function readOutputs(database: Database, contents: ContentStore, { tenantId, jobId }: { tenantId: string; jobId: string }) {
  const rows = await database.asTenant(tenantId, (transaction) =>
    transaction.query<{ step: string; ordinal: number; fileId: string }>(sql`
      SELECT step, ordinal, file_id AS "fileId" FROM outputs WHERE job_id = ${jobId}::uuid AND kept ORDER BY step, ordinal, task_id, part`),
  );
  const manifests = await database.asTenant(tenantId, (transaction) =>
    readManifests(
      transaction,
      tenantId,
      rows.map((row) => row.fileId),
    ),
  );
  const byId = new Map(manifests.map((manifest) => [manifest.id, manifest]));
  return await Promise.all(
    rows.map(async ({ step, ordinal, fileId }) => {
      const manifest = byId.get(fileId);
      if (!manifest) throw new Error(`output ${step}/${ordinal} has no file`);
      const chunks = await (await contents.read(manifest)).toArray();
      return { step, ordinal, name: manifest.name, text: Buffer.concat(chunks as Buffer[]).toString() };
    }),
  );
}
