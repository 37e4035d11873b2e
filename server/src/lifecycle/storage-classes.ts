import { STORAGE_CLASSES, type StorageClass } from "@filemill/contract/storage-class.ts";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { failpoint } from "../failpoint.ts";
import type { ObjectStores } from "../storage/object-stores.ts";

export interface FileToMove {
  readonly id: string;
  readonly storageClass: StorageClass;
}

/**
 * Moves a file's objects to a class, or, where a store of theirs has none such, to the nearest warmer one that all have.
 * First the objects, then the row: a death in between is made good by the next round, because each move may be repeated.
 * Gives the class that the file has now; `under_way` where a store brings it back from its archive. Rejects StorageError, and
 * not_found where the file was deleted meanwhile.
 */
export async function moveFile(
  { database, stores }: { readonly database: Database; readonly stores: Pick<ObjectStores, "named"> },
  { id, storageClass }: FileToMove,
  wanted: StorageClass,
): Promise<StorageClass | "under_way"> {
  const objects = await objectsOf(database, id);
  const possible = warmerOrEqual(wanted).find((one) => objects.every(({ store }) => stores.named(store).classes.includes(one))) ?? "hot";
  if (possible === storageClass || objects.length === 0) return storageClass;
  let underWay = false;
  for (const { store, key } of objects) underWay = (await stores.named(store).setClass(key, possible)) === "under_way" || underWay;
  await failpoint("class-after-objects-before-row");
  if (underWay) return "under_way";
  await database.asSystem((transaction) =>
    transaction.execute(
      sql`UPDATE files SET storage_class = ${possible}, restoring_since = NULL WHERE id = ${id}::uuid AND status <> 'deleted'`,
    ),
  );
  return possible;
}

/** From the coldest on. */
function warmerOrEqual(wanted: StorageClass): readonly StorageClass[] {
  return STORAGE_CLASSES.slice(0, STORAGE_CLASSES.indexOf(wanted) + 1).toReversed();
}

/** Inline contents have none: they are hot for ever. */
async function objectsOf(database: Database, fileId: string): Promise<{ store: string; key: string }[]> {
  return await database.asSystem((transaction) =>
    transaction.query<{ store: string; key: string }>(sql`
      SELECT store, object_key AS key FROM segments WHERE file_id = ${fileId}::uuid ORDER BY ordinal`),
  );
}
