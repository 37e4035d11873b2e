import type { StorageClass } from "@filemill/contract/storage-class.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { notFound, StorageError } from "../errors.ts";
import { appendAudit } from "../record/audit.ts";
import type { ObjectStores } from "../storage/object-stores.ts";
import { moveFile } from "./storage-classes.ts";

interface RestoreServices {
  readonly database: Database;
  readonly stores: Pick<ObjectStores, "named">;
}

/**
 * Has a file brought back to `hot`: at once where its store can, else `under_way`, and rounds ask the store on. It counts as
 * read now, so that it does not go back the next day. Throws Problem not_found; StorageError.
 */
export async function restoreFile(
  services: RestoreServices,
  file: { readonly tenantId: string; readonly id: string; readonly actor: string },
): Promise<"done" | "under_way"> {
  const { tenantId, id, actor } = file;
  const object = encodeId("file", id);
  const storageClass = await services.database.asTenant(tenantId, async (transaction) => {
    const [row] = await transaction.query<{ storageClass: StorageClass }>(sql`
      UPDATE files SET last_read_at = now()
      WHERE id = ${id}::uuid AND status = 'stored' AND origin <> 'intermediate' RETURNING storage_class AS "storageClass"`);
    if (row === undefined) throw notFound("file", object);
    if (row.storageClass !== "hot") await appendAudit(transaction, { tenantId, actor, action: "file.restore", object });
    return row.storageClass;
  });
  const moved = await moveFile(services, { id, storageClass }, "hot");
  if (moved !== "under_way") return "done";
  await services.database.asSystem((transaction) =>
    transaction.execute(
      sql`UPDATE files SET restoring_since = coalesce(restoring_since, now()) WHERE id = ${id}::uuid AND status = 'stored'`,
    ),
  );
  return "under_way";
}

const BATCH = 500;

/** Asks the stores on for files that are being brought back; gives how many are there now. */
export async function finishRestores(
  services: RestoreServices & { readonly log: Logger; readonly signal?: AbortSignal | undefined },
): Promise<number> {
  const { database, log, signal } = services;
  const waiting = await database.asSystem((transaction) =>
    transaction.query<{ id: string; storageClass: StorageClass }>(sql`
      SELECT id, storage_class AS "storageClass" FROM files
      WHERE restoring_since IS NOT NULL AND status = 'stored' ORDER BY restoring_since LIMIT ${BATCH}`),
  );
  let restored = 0;
  for (const file of waiting) {
    if (signal?.aborted) break;
    try {
      if ((await moveFile(services, file, "hot")) === "hot") restored++;
    } catch (err) {
      if (!(err instanceof StorageError)) throw err;
      log.warn({ err, fileId: file.id }, "a file could not be brought back from the archive; the next round tries again");
    }
  }
  return restored;
}
