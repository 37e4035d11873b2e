import type { Metadata } from "@filemill/contract/files.ts";
import type { StorageClass } from "@filemill/contract/storage-class.ts";
import type { FileStatus } from "@filemill/contract/status.ts";
import type { Transaction } from "../db/database.ts";
import { allOf, sql, type Statement } from "../db/sql.ts";

export interface FileRow {
  readonly id: string;
  readonly name: string;
  readonly size_bytes: number;
  readonly sha256: Buffer;
  readonly media_type: string;
  readonly status: FileStatus;
  readonly metadata: Metadata;
  readonly origin: "upload" | "output";
  readonly job_id: string | null;
  readonly step: string | null;
  readonly expires_at: Date | null;
  readonly held_at: Date | null;
  readonly hold_reason: string | null;
  readonly storage_class: StorageClass;
  /** ISO 8601, UTC, to the microsecond: as exact as what the list is ordered by. */
  readonly created_at: string;
}

export interface FileFilter {
  readonly status: FileStatus;
  readonly createdAfter?: string | undefined;
  readonly createdBefore?: string | undefined;
  readonly metadata: Metadata;
  /** Only files behind this place. */
  readonly after?: { readonly createdAt: string; readonly id: string } | undefined;
  readonly limit: number;
}

/** A tenant's files, newest first; up to `limit`. What only crosses a stage boundary is not among them. */
export async function listFiles(transaction: Transaction, filter: FileFilter): Promise<FileRow[]> {
  const conditions: Statement[] = [sql`status = ${filter.status}`, sql`origin <> 'intermediate'`];
  if (filter.createdAfter !== undefined) conditions.push(sql`created_at >= ${filter.createdAfter}::timestamptz`);
  if (filter.createdBefore !== undefined) conditions.push(sql`created_at < ${filter.createdBefore}::timestamptz`);
  if (Object.keys(filter.metadata).length > 0) conditions.push(sql`metadata @> ${JSON.stringify(filter.metadata)}::jsonb`);
  if (filter.after) conditions.push(sql`(created_at, id) < (${filter.after.createdAt}::timestamptz, ${filter.after.id}::uuid)`);
  return transaction.query<FileRow>(sql`
    SELECT ${FILE_COLUMNS} FROM files
    WHERE ${OWN} AND ${allOf(conditions)}
    ORDER BY files.created_at DESC, id DESC LIMIT ${filter.limit}`);
}

/** The file, also where it is deleted; undefined where the tenant has none such. */
export async function findFile(transaction: Transaction, id: string): Promise<FileRow | undefined> {
  const [row] = await transaction.query<FileRow>(sql`
    SELECT ${FILE_COLUMNS} FROM files WHERE ${OWN} AND id = ${id}::uuid AND origin <> 'intermediate'`);
  return row;
}

/** Said again beside the policy, because it is what makes the index of the list usable. */
const OWN = sql`tenant_id = (SELECT current_setting('filemill.tenant')::uuid)`;

export const FILE_COLUMNS = sql`id, name, size_bytes, sha256, media_type, status, metadata, origin, job_id, step,
  expires_at, held_at, hold_reason, storage_class,
  to_char(files.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at`;
