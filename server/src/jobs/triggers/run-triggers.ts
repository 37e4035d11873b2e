import { encodeId } from "@filemill/contract/ids.ts";
import type { Logger } from "pino";
import { isDatabaseAway } from "../../db/database-errors.ts";
import { LONG_STATEMENT_MS, type Database, type Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { Problem } from "../../errors.ts";
import { failpoint } from "../../failpoint.ts";
import type { Catalogue } from "../../processors/catalogue.ts";
import { appendEvents } from "../../record/events.ts";
import { placeOrder } from "../place-order.ts";
import { groupFiles, MAX_FILES, type ArrivedFile, type TriggeredGroup } from "./group-files.ts";
import { readTriggers, type PipelineTriggers } from "./kept-triggers.ts";

export interface TriggerServices {
  readonly database: Database;
  readonly catalogue: Catalogue;
  readonly log: Logger;
  readonly signal?: AbortSignal | undefined;
}

/** Files that come at once are to go into one job: nothing is done before none has come for so long. */
const QUIET_MS = 300;
/** In a stream that never rests, the first has waited long enough then. */
const LONGEST_WAIT_MS = 2_000;
/** In one transaction, where triggers make many small jobs. */
const MAX_JOBS = 100;
/**
 * Characters of patterns, times files. The worst pattern is compared at each place of a name, of which there are 1,024: about a
 * second of this process.
 */
const MAX_COMPARED = 1_000_000;

export interface TriggerRound {
  readonly lanes: Set<string>;
  /** Files are left that will be due in a moment. */
  readonly more: boolean;
}

/**
 * Submits the jobs over files that have come to tenants with triggers. The files stand in `arrived_files` from the very
 * transaction that stored them and leave it in the one that submits the jobs, so that each is looked at exactly once for all
 * pipelines, wherever a process dies. Any number of processes may do this at once; a tenant's files are taken by one.
 */
export async function runTriggers(services: TriggerServices): Promise<TriggerRound> {
  const { database, log, signal } = services;
  const lanes = new Set<string>();
  let more = false;
  for (const tenantId of await database.asSystem(findTenants)) {
    if (signal?.aborted) break;
    try {
      const limits = { statementMs: LONG_STATEMENT_MS };
      const round = await database.asTenant(tenantId, (transaction) => takeArrived(transaction, services, tenantId), limits);
      await failpoint("trigger-after-commit");
      for (const lane of round.lanes) lanes.add(lane);
      more ||= round.more;
    } catch (error) {
      log[isDatabaseAway(error) ? "warn" : "error"]({ err: error, tenantId }, "triggers of a tenant could not run; they are tried again");
    }
  }
  return { lanes, more };
}

/** One step through the index a tenant, however many files each has. */
async function findTenants(transaction: Transaction): Promise<string[]> {
  const rows = await transaction.query<{ tenantId: string }>(sql`
    WITH RECURSIVE tenant AS (
      (SELECT tenant_id FROM arrived_files ORDER BY tenant_id LIMIT 1)
      UNION ALL
      SELECT (SELECT arrived_files.tenant_id FROM arrived_files WHERE arrived_files.tenant_id > tenant.tenant_id ORDER BY 1 LIMIT 1)
      FROM tenant WHERE tenant.tenant_id IS NOT NULL)
    SELECT tenant_id AS "tenantId" FROM tenant WHERE tenant_id IS NOT NULL`);
  return rows.map(({ tenantId }) => tenantId);
}

async function takeArrived(transaction: Transaction, services: TriggerServices, tenantId: string): Promise<TriggerRound> {
  const none = { lanes: new Set<string>(), more: false };
  const [turn] = await transaction.query<{ ours: boolean }>(
    sql`SELECT pg_try_advisory_xact_lock(hashtextextended(${`triggers ${tenantId}`}, 0)) AS ours`,
  );
  if (turn?.ours !== true) return none;
  const pipelines = await readTriggers(transaction);
  const limit = biteOf(pipelines);
  const waiting = await readWaiting(transaction, { tenantId, limit });
  if (waiting.files < limit && waiting.quietMs < QUIET_MS && waiting.oldestMs < LONGEST_WAIT_MS)
    return { ...none, more: waiting.files > 0 };
  const files = await takeFiles(transaction, { tenantId, limit });
  const lanes = new Set<string>();
  for (const group of groupFiles(pipelines, files)) {
    for (const lane of await submitGroup(transaction, services.catalogue, { tenantId, group })) lanes.add(lane);
  }
  await failpoint("trigger-before-commit");
  return { lanes, more: waiting.files === limit };
}

/** As many files as make no more than so many jobs, and no more than so much to compare. */
function biteOf(pipelines: readonly PipelineTriggers[]): number {
  const triggers = pipelines.flatMap((pipeline) => pipeline.triggers);
  const fewest = Math.min(MAX_FILES, ...triggers.map(({ max_files }) => max_files ?? MAX_FILES));
  const jobsEach = Math.max(1, Math.floor(MAX_JOBS / Math.max(1, pipelines.length)));
  const compared = triggers.reduce((sum, { name }) => sum + (name?.length ?? 0), 0);
  return Math.max(1, Math.min(MAX_FILES, fewest * jobsEach, Math.floor(MAX_COMPARED / Math.max(1, compared))));
}

async function readWaiting(
  transaction: Transaction,
  { tenantId, limit }: { readonly tenantId: string; readonly limit: number },
): Promise<{ files: number; oldestMs: number; quietMs: number }> {
  const [row] = await transaction.query<{ files: number; oldestMs: number; quietMs: number }>(sql`
    SELECT count(*) AS files, coalesce(extract(epoch FROM now() - min(arrived_at)) * 1000, 0)::float8 AS "oldestMs",
      coalesce(extract(epoch FROM now() - max(arrived_at)) * 1000, 0)::float8 AS "quietMs"
    FROM (SELECT arrived_at FROM arrived_files WHERE tenant_id = ${tenantId}::uuid LIMIT ${limit}) AS looked_at`);
  return row ?? { files: 0, oldestMs: 0, quietMs: 0 };
}

/** The oldest first. Files that are gone again, and those that a job has collected as its inputs, trigger nothing. */
async function takeFiles(
  transaction: Transaction,
  { tenantId, limit }: { readonly tenantId: string; readonly limit: number },
): Promise<ArrivedFile[]> {
  return await transaction.query<ArrivedFile>(sql`
    WITH taken AS (
      DELETE FROM arrived_files WHERE tenant_id = ${tenantId}::uuid AND file_id = ANY(ARRAY(
        SELECT file_id FROM arrived_files WHERE tenant_id = ${tenantId}::uuid ORDER BY file_id LIMIT ${limit}))
      RETURNING file_id)
    SELECT files.id, files.name, files.size_bytes AS "sizeBytes", files.media_type AS "mediaType", files.metadata, files.origin,
      coalesce((SELECT depth FROM triggered_jobs WHERE job_id = files.job_id), 0) AS depth
    FROM taken JOIN files ON files.id = taken.file_id AND files.tenant_id = ${tenantId}::uuid AND files.status = 'stored'
    WHERE NOT EXISTS (SELECT FROM file_sources WHERE file_sources.file_id = files.id)
    ORDER BY files.id FOR SHARE OF files`);
}

/** Where no job can be made of them (the pipeline no longer fits its processors), that is told, and the files are done with. */
async function submitGroup(
  transaction: Transaction,
  catalogue: Catalogue,
  { tenantId, group }: { readonly tenantId: string; readonly group: TriggeredGroup },
): Promise<ReadonlySet<string>> {
  const { pipeline, params, files, depth } = group;
  const cause = { trigger: pipeline };
  const inputs = files.map(({ id }) => encodeId("file", id));
  try {
    const job = await placeOrder(transaction, catalogue, { tenantId, actor: "system", pipeline, params, inputs, metadata: cause, cause });
    await transaction.execute(sql`
      INSERT INTO triggered_jobs (job_id, tenant_id, depth) VALUES (${job.jobId}::uuid, ${tenantId}::uuid, ${depth})`);
    return job.lanes;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const data = { pipeline, files: files.length, first_file_id: inputs[0], code: error.code, message: error.message };
    await appendEvents(transaction, [{ tenantId, type: "trigger.failed", data }]);
    return new Set();
  }
}
