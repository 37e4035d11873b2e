import { encodeId } from "@filemill/contract/ids.ts";
import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { notFound, Problem } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { neededFiles } from "../jobs/needed-files.ts";
import { appendAudit } from "../record/audit.ts";
import { endFiles } from "../record/end-files.ts";
import { appendEvents } from "../record/events.ts";
import type { ContentStore } from "../storage/content-store.ts";

/**
 * Deletes a file: its row stays and says so, its bytes go. The objects are deleted after the commit, so that no row ever
 * points at what is gone; those that can't be deleted then have no row and are left to garbage collection.
 *
 * Throws Problem `not_found` where the tenant has no such file that is there, `conflict` where an open job still needs it
 * or it is held.
 */
export async function deleteFile(
  services: { database: Database; contents: ContentStore },
  file: { tenantId: string; id: string; actor: string },
): Promise<void> {
  const { tenantId, id, actor } = file;
  const publicId = encodeId("file", id);
  const segments = await services.database.asTenant(tenantId, async (transaction) => {
    const file = await lockFile(transaction, id);
    if (file === undefined) throw notFound("file", publicId);
    if (file.held) throw new Problem("conflict", `The file "${publicId}" is under a legal hold. An admin has to lift that first.`);
    if ((await neededFiles(transaction, tenantId, [id])).size > 0) {
      throw new Problem("conflict", `The file "${publicId}" is an input of a job that has not ended. Cancel the job or wait for it.`);
    }
    const deleted = await endFiles(transaction, [id]);
    await appendEvents(transaction, [{ tenantId, type: "file.deleted", data: { file_id: publicId } }]);
    await appendAudit(transaction, { tenantId, actor, action: "file.delete", object: publicId });
    await failpoint("delete-before-commit");
    return deleted;
  });
  await failpoint("delete-after-commit");
  await services.contents.discard({ segments });
}

/** Locked to the end of the transaction, so that no submission can take the file as an input meanwhile. */
async function lockFile(transaction: Transaction, id: string): Promise<{ held: boolean } | undefined> {
  const [row] = await transaction.query<{ held: boolean }>(sql`
    SELECT held_at IS NOT NULL AS held FROM files
    WHERE id = ${id}::uuid AND status IN ('stored', 'quarantined') AND origin <> 'intermediate' FOR UPDATE`);
  return row;
}
