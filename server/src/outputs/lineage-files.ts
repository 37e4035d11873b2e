import type { FileStatus } from "@filemill/contract/status.ts";
import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";

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
  readonly origin: "upload" | "output" | "intermediate" | null;
  /** ISO 8601, UTC. */
  readonly createdAt: string | null;
}

/** In no order; deleted files and those that only crossed a stage boundary are among them. Inside a transaction of the tenant. */
export async function readLineageFiles(transaction: Transaction, ids: readonly string[]): Promise<LineageFile[]> {
  return await transaction.query<LineageFile>(sql`
    SELECT id, name, size_bytes AS "sizeBytes", encode(sha256, 'hex') AS sha256, media_type AS "mediaType", status, origin,
      to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "createdAt"
    FROM files WHERE id = ANY(${ids}::uuid[]) AND tenant_id = (SELECT current_setting('filemill.tenant')::uuid)`);
}
