import { encodeId } from "@filemill/contract/ids.ts";
import { sql } from "../../db/sql.ts";
import type { Transaction } from "../../db/database.ts";
import { failpoint } from "../../failpoint.ts";
import { appendAudit } from "../../record/audit.ts";
import { lostLock, deleteUploadSegments } from "./progress-rows.ts";
import type { ResumableServices } from "./resumable.ts";
import { giveRoomBack } from "./room.ts";
import type { UploadRow } from "./upload-row.ts";

/**
 * "When receiving a DELETE request for an existing upload the Server SHOULD free associated resources." What came of an open
 * or partial upload is deleted. The file that a completed one became is the tenant's by now, perhaps the input of a job, and
 * stays: it has its own DELETE. Throws Problem `not_found`, `gone` or `upload_locked`.
 */
export async function terminateUpload(
  { database, locks, contents }: Pick<ResumableServices, "database" | "locks" | "contents">,
  { tenantId, id, actor }: { tenantId: string; id: string; actor: string },
): Promise<void> {
  const taken = await locks.take({ tenantId, id });
  try {
    await endUpload({ database, contents }, taken.upload, actor);
  } finally {
    if (taken.held) await taken.release();
  }
}

/**
 * For whoever holds the upload: ends it, with what came of it, as something that will never become a file. Throws Problem
 * `upload_locked` where the lock was lost.
 */
export async function endUpload(
  { database, contents }: Pick<ResumableServices, "database" | "contents">,
  upload: UploadRow,
  actor: string,
): Promise<void> {
  const { id, tenantId } = upload;
  const segments = await database.asTenant(tenantId, async (transaction) => {
    if (!(await endRow(transaction, upload))) throw lostLock();
    await appendAudit(transaction, { tenantId, actor, action: "upload.terminate", object: encodeId("upload", id) });
    await giveRoomBack(transaction, [id]);
    const deleted = await deleteUploadSegments(transaction, [id]);
    await failpoint("tus-terminate-before-commit");
    return deleted;
  });
  await failpoint("tus-terminate-after-commit");
  await contents.discard({ segments });
}

/** False where it is not as it was: another request has the lock, or has ended it. */
async function endRow(transaction: Transaction, { id, status, lockEpoch }: UploadRow): Promise<boolean> {
  const changed = await transaction.execute(sql`
    UPDATE uploads SET status = 'terminated', finished_at = now(), hash_state = NULL, lock_holder = NULL, lock_until = NULL, lock_wanted_at = NULL
    WHERE id = ${id}::uuid AND status = ${status} AND lock_epoch = ${lockEpoch}`);
  return changed === 1;
}
