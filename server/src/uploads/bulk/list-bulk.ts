import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { FILE_COLUMNS, type FileRow } from "../find-files.ts";
import { lastIdOfBulk } from "../../record/bulk-id.ts";

/** Files of a bulk that are not deleted, behind `after`, in the order of the archive. */
export function listBulk(transaction: Transaction, page: { bulkId: string; after: string; limit: number }): Promise<FileRow[]> {
  const { bulkId } = page;
  const after = page.after > bulkId ? page.after : bulkId;
  return transaction.query<FileRow>(sql`
    SELECT ${FILE_COLUMNS} FROM files
    WHERE id > ${after}::uuid AND id <= ${lastIdOfBulk(bulkId)}::uuid
      AND tenant_id = (SELECT current_setting('filemill.tenant')::uuid) AND origin = 'upload' AND status <> 'deleted'
    ORDER BY id LIMIT ${page.limit}`);
}
