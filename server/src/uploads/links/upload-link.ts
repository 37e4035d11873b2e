import type { Metadata } from "@filemill/contract/files.ts";
import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import type { PipelineRequest } from "../../jobs/pipelines/resolve.ts";

/** A link by which somebody may send one file, once. */
export interface UploadLink {
  readonly id: string;
  readonly tenantId: string;
  readonly maxBytes: number;
  /** null: whoever sends the file names it. */
  readonly name: string | null;
  /** Such as image/*; empty for any. */
  readonly mediaTypes: readonly string[];
  readonly pipeline: PipelineRequest | null;
  readonly metadata: Metadata;
}

export interface UploadLinkRow extends UploadLink {
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly usedAt: Date | null;
  readonly fileId: string | null;
  readonly jobId: string | null;
}

export async function insertUploadLink(transaction: Transaction, link: UploadLink & { readonly expiresAt: Date }): Promise<void> {
  await transaction.execute(sql`
    INSERT INTO upload_links (id, tenant_id, max_bytes, name, media_types, pipeline, metadata, expires_at)
    VALUES (${link.id}::uuid, ${link.tenantId}::uuid, ${link.maxBytes}, ${link.name}, ${[...link.mediaTypes]}::text[],
      ${link.pipeline === null ? null : JSON.stringify(link.pipeline)}::jsonb, ${JSON.stringify(link.metadata)}::jsonb, ${link.expiresAt})`);
}

/** Undefined where the tenant has none such. */
export async function findUploadLink(transaction: Transaction, tenantId: string, id: string): Promise<UploadLinkRow | undefined> {
  const [row] = await transaction.query<UploadLinkRow>(sql`
    SELECT id, tenant_id AS "tenantId", max_bytes AS "maxBytes", name, media_types AS "mediaTypes", pipeline, metadata,
      created_at AS "createdAt", expires_at AS "expiresAt", used_at AS "usedAt", file_id AS "fileId", job_id AS "jobId"
    FROM upload_links WHERE id = ${id}::uuid AND tenant_id = ${tenantId}::uuid`);
  return row;
}

/** False where somebody else has used it: of many at a time one gets the row, and the others find it used. */
export async function useUploadLink(
  transaction: Transaction,
  use: { readonly id: string; readonly tenantId: string; readonly fileId: string; readonly jobId: string | undefined },
): Promise<boolean> {
  const used = await transaction.execute(sql`
    UPDATE upload_links SET used_at = now(), file_id = ${use.fileId}::uuid, job_id = ${use.jobId ?? null}::uuid
    WHERE id = ${use.id}::uuid AND tenant_id = ${use.tenantId}::uuid AND used_at IS NULL`);
  return used === 1;
}
