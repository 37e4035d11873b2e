import type { CollectedSource } from "@filemill/contract/source.ts";
import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import type { ClaimedTask } from "../../queue/task.ts";
import type { KnownObject, SourceCursor, SourceReference } from "./source.ts";

/** A job's source, as its tasks need it. */
export interface SourceJob {
  readonly spec: CollectedSource;
  readonly cursor: SourceCursor | null;
  readonly listed: number;
  readonly collectedBytes: number;
}

/** Undefined where the job is gone. */
export async function readSourceJob(transaction: Transaction, jobId: string): Promise<SourceJob | undefined> {
  const [row] = await transaction.query<SourceJob>(sql`
    SELECT spec, cursor, listed, collected_bytes AS "collectedBytes" FROM job_sources WHERE job_id = ${jobId}::uuid`);
  return row;
}

/** What a collecting task's entries name, by id, with what this tenant has of the same addresses already. */
export async function readReferences(transaction: Transaction, task: ClaimedTask): Promise<Map<string, SourceReference>> {
  const rows = await transaction.query<Omit<SourceReference, "known"> & { known: RawKnown | null }>(sql`
    SELECT item.id, item.identity, item.location, item.name, item.size_bytes AS "sizeBytes", item.etag, item.modified_at AS "modifiedAt",
      (SELECT jsonb_build_object('fileId', source.file_id, 'sizeBytes', source.size_bytes, 'mediaType', files.media_type, 'etag', source.etag, 'modifiedAt', source.modified_at)
        FROM file_sources source JOIN files ON files.id = source.file_id AND files.status = 'stored'
        WHERE source.tenant_id = ${task.tenantId}::uuid AND source.identity = item.identity
          AND NOT EXISTS (SELECT FROM damaged_files WHERE damaged_files.file_id = source.file_id AND healed_at IS NULL)
        ORDER BY source.collected_at DESC LIMIT 1) AS known
    FROM source_items item
    WHERE item.id = ANY(${task.entries.map((entry) => entry.fileId)}::uuid[]) AND item.tenant_id = ${task.tenantId}::uuid`);
  return new Map(rows.map((row) => [row.id, referenceOf(row)]));
}

/** Dates come as texts inside JSON. */
type RawKnown = Omit<KnownObject, "modifiedAt"> & { readonly modifiedAt: string | null };

function referenceOf({ known, ...row }: Omit<SourceReference, "known"> & { known: RawKnown | null }): SourceReference {
  const { sizeBytes, etag, modifiedAt } = row;
  const kept = known && { ...known, modifiedAt: known.modifiedAt === null ? null : new Date(known.modifiedAt) };
  return {
    ...row,
    sizeBytes: sizeBytes ?? undefined,
    etag: etag ?? undefined,
    modifiedAt: modifiedAt ?? undefined,
    known: kept ?? undefined,
  };
}

/** One entry that was collected. */
export interface CollectedItem {
  readonly jobId: string;
  readonly itemId: string;
  readonly fileId: string;
  /** Of a file that was there already. */
  readonly unchanged: boolean;
  /** Fetched. */
  readonly bytes: number;
  /** Without what may be secret in it. */
  readonly location: string;
  /** As it was when it was fetched, which may be later than when it was listed. */
  readonly etag: string | null;
}

/**
 * Records what collecting tasks brought, in the transaction that ends them. After their settlement: the rows of sources come
 * behind those of stages in the order of locks.
 */
export async function recordCollected(transaction: Transaction, collected: readonly CollectedItem[]): Promise<void> {
  if (collected.length === 0) return;
  await transaction.execute(sql`
    UPDATE source_items SET file_id = given.file_id, location = given.location, etag = coalesce(given.etag, source_items.etag)
    FROM unnest(
      ${collected.map((item) => item.itemId)}::uuid[], ${collected.map((item) => item.fileId)}::uuid[], ${collected.map((item) => item.location)}::text[],
      ${collected.map((item) => item.etag)}::text[]
    ) AS given(id, file_id, location, etag)
    WHERE source_items.id = given.id`);
  await addUp(transaction, collected);
}

async function addUp(transaction: Transaction, collected: readonly CollectedItem[]): Promise<void> {
  const jobs = [...Map.groupBy(collected, (item) => item.jobId)].sort(([left], [right]) => (left < right ? -1 : 1));
  const count = (pick: (item: CollectedItem) => number) => jobs.map(([, items]) => items.reduce((sum, item) => sum + pick(item), 0));
  await transaction.execute(sql`
    UPDATE job_sources SET collected = job_sources.collected + given.collected, unchanged = job_sources.unchanged + given.unchanged,
      collected_bytes = collected_bytes + given.bytes
    FROM unnest(
      ${jobs.map(([jobId]) => jobId)}::uuid[], ${count((item) => (item.unchanged ? 0 : 1))}::bigint[],
      ${count((item) => (item.unchanged ? 1 : 0))}::bigint[], ${count((item) => item.bytes)}::bigint[]
    ) AS given(job_id, collected, unchanged, bytes)
    WHERE job_sources.job_id = given.job_id`);
}

/** The list is listed: the addresses in it are in items now, and may hold signatures. */
export async function forgetList(transaction: Transaction, jobId: string): Promise<void> {
  await transaction.execute(sql`UPDATE job_sources SET spec = spec - 'urls' WHERE job_id = ${jobId}::uuid AND spec ? 'urls'`);
}
