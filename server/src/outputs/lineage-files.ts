import type { FileStatus } from "@filemill/contract/status.ts";
import type { Transaction } from "../db/database.ts";
import { sql, type Statement } from "../db/sql.ts";

/** A file as its history shows it; all but id and status is null where its row is gone. */
export interface LineageFile {
  /** uuid */
  readonly id: string;
  readonly name: string | null;
  readonly sizeBytes: number | null;
  /** Hex. */
  readonly sha256: string | null;
  readonly mediaType: string | null;
  readonly status: FileStatus;
  readonly origin: "upload" | "output" | "intermediate" | "generated" | null;
  /** ISO 8601, UTC. */
  readonly createdAt: string | null;
  /** Where it was collected, if it was. */
  readonly source: FileSource | null;
}

export interface FileSource {
  readonly kind: string;
  /** Without credentials. */
  readonly location: string;
  readonly etag: string | null;
  /** ISO 8601, UTC. */
  readonly modifiedAt: string | null;
  readonly collectedAt: string;
}

/** In no order; deleted files and those that only crossed a stage boundary are among them. Inside a transaction of the tenant. */
export async function readLineageFiles(transaction: Transaction, ids: readonly string[]): Promise<LineageFile[]> {
  return await transaction.query<LineageFile>(sql`
    SELECT files.id, name, files.size_bytes AS "sizeBytes", encode(sha256, 'hex') AS sha256, media_type AS "mediaType", status, origin,
      ${timeText(sql`files.created_at`)} AS "createdAt",
      CASE WHEN source.file_id IS NOT NULL THEN json_build_object('kind', kind, 'location', location, 'etag', etag,
        'modifiedAt', ${timeText(sql`modified_at`)}, 'collectedAt', ${timeText(sql`collected_at`)}) END AS source
    FROM files LEFT JOIN file_sources AS source ON source.file_id = files.id AND source.tenant_id = files.tenant_id
    WHERE files.id = ANY(${ids}::uuid[]) AND files.tenant_id = (SELECT current_setting('filemill.tenant')::uuid)`);
}

function timeText(column: Statement): Statement {
  return sql`to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}
