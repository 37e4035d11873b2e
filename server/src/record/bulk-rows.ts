import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { lastIdOfBulk } from "./bulk-id.ts";

export interface BulkRow {
  readonly id: string;
  readonly name: string;
  readonly size_bytes: number;
  readonly sha256: Buffer;
  readonly media_type: string;
  /** `intermediate`: the tombstone of an attempt that broke off; see bulk-id.ts. */
  readonly origin: "upload" | "intermediate";
}

/** Rows of the bulk's range behind `after`, in the order of the archive, whatever became of the files since. */
export function readBulkRows(transaction: Transaction, page: { bulkId: string; after: string; limit: number }): Promise<BulkRow[]> {
  return transaction.query<BulkRow>(sql`
    SELECT id, name, size_bytes, sha256, media_type, origin FROM files
    WHERE id > ${page.after}::uuid AND id <= ${lastIdOfBulk(page.bulkId)}::uuid AND ${OWN} ORDER BY id LIMIT ${page.limit}`);
}

export type BulkInput = Pick<BulkRow, "id" | "name" | "size_bytes" | "sha256" | "media_type">;

/** Up to `limit` files of a bulk that are there, as inputs of a job; held until the commit, so that none is deleted meanwhile. */
export function lockBulkInputs(transaction: Transaction, { bulkId, limit }: { bulkId: string; limit: number }): Promise<BulkInput[]> {
  return transaction.query<BulkInput>(sql`
    SELECT id, name, size_bytes, sha256, media_type FROM files
    WHERE id > ${bulkId}::uuid AND id <= ${lastIdOfBulk(bulkId)}::uuid AND ${OWN} AND origin = 'upload' AND status = 'stored'
    ORDER BY id LIMIT ${limit} FOR SHARE`);
}

/** Said again beside the policy, because a foreign bulk must look like an absent one whatever the plan. */
const OWN = sql`tenant_id = (SELECT current_setting('filemill.tenant')::uuid)`;
