import { createHash } from "node:crypto";
import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import { sql } from "../../src/db/sql.ts";
import type { HostPool } from "../../src/worker/host/pool.ts";
import { cloneDatabase, type ClonedDatabase } from "../database.ts";
import { openEngine, type Engine } from "./engine.ts";
import { openPlatform, type Platform } from "./platform.ts";

/** A platform whose worker uses results again, and that counts what its step hosts are given. */
export interface CountingPlatform {
  readonly clone: ClonedDatabase;
  readonly engine: Engine;
  readonly platform: Platform;
  put(tenantId: string, ...contents: string[]): Promise<string[]>;
  /** Runs a job to its end. One at a time, as its counts are of all that ran meanwhile. */
  run(tenantId: string, document: PipelineDocument, files: readonly string[]): Promise<CountedRun>;
  rowsOf(jobId: string): Promise<{ fileId: string; from: string | null }[]>;
  close(): Promise<void>;
}

export interface CountedRun {
  readonly jobId: string;
  readonly status: string;
  /** Entries that step hosts were given. */
  readonly worked: number;
  readonly reused: { readonly hits: number; readonly misses: number };
  readonly outputs: Awaited<ReturnType<Platform["outputs"]>>;
}

export const SECRETS = {
  purposeKey: (tenantId: string) => Promise.resolve({ key: createHash("sha256").update(`secret of ${tenantId}`).digest() }),
};

/** The document with every step asking for earlier results. */
export function cached(document: PipelineDocument): PipelineDocument {
  const steps = Object.entries(document.steps).map(([name, step]) => [name, { cache: true, ...step }]);
  return { ...document, steps: Object.fromEntries(steps) };
}

export const STATS = cached({ steps: { stats: { use: "text.stats" } } });

/** As the platform and the tenant that a test file has once its tests run. */
export function runsOf(given: () => { readonly counting: CountingPlatform; readonly tenantId: string }) {
  return {
    put: (...contents: string[]) => given().counting.put(given().tenantId, ...contents),
    run: (document: PipelineDocument, files: readonly string[], tenant = given().tenantId) => given().counting.run(tenant, document, files),
    rowsOf: (jobId: string) => given().counting.rowsOf(jobId),
  };
}

export async function openCountingPlatform(): Promise<CountingPlatform> {
  const clone = await cloneDatabase();
  const engine = openEngine(clone.database);
  const platform = await openPlatform(clone.database);
  let worked = 0;
  let reused = { hits: 0, misses: 0 };
  const hosts: HostPool = {
    ...platform.hosts,
    run(tenant, run, options) {
      worked += run.entries.length;
      return platform.hosts.run(tenant, run, options);
    },
  };
  const silent = () => undefined;
  const observe = { claimed: silent, ended: silent, failed: silent, leaseLost: silent, committed: silent, reaped: silent };
  const onReused = (entries: { hits: number; misses: number }) => {
    reused = { hits: reused.hits + entries.hits, misses: reused.misses + entries.misses };
  };
  await platform.worker({ hosts, secrets: SECRETS, observe: { ...observe, reused: onReused } });
  return {
    clone,
    engine,
    platform,
    put: (tenantId, ...contents) => Promise.all(contents.map((content, index) => platform.put(tenantId, `${index}.txt`, content))),
    async run(tenantId, document, files) {
      worked = 0;
      reused = { hits: 0, misses: 0 };
      const jobId = await platform.submit(tenantId, document, files);
      const status = await platform.ended(jobId, 30_000);
      return { jobId, status, worked, reused, outputs: await platform.outputs(tenantId, jobId) };
    },
    rowsOf: (jobId) =>
      engine.rows(
        sql`SELECT file_id AS "fileId", reused_from AS "from" FROM outputs WHERE job_id = ${jobId}::uuid ORDER BY step, ordinal, part`,
      ),
    async close() {
      await platform.close();
      await clone.close();
    },
  };
}
