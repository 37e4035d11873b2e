import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/** An object that no row names any more. */
export interface EndedObject {
  readonly store: string;
  readonly key: string;
}

/**
 * Ends files: their rows stay and say `deleted`, their contents go, and the keys of these with them. Inside the caller's
 * transaction, which has locked the files and told why; the objects given are to be deleted after its commit.
 */
export async function endFiles(transaction: Transaction, ids: readonly string[]): Promise<EndedObject[]> {
  if (ids.length === 0) return [];
  await transaction.execute(sql`UPDATE files SET status = 'deleted', deleted_at = now() WHERE id = ANY(${ids}::uuid[])`);
  await transaction.execute(sql`DELETE FROM inline_objects WHERE file_id = ANY(${ids}::uuid[])`);
  return await transaction.query<EndedObject>(
    sql`DELETE FROM segments WHERE file_id = ANY(${ids}::uuid[]) RETURNING store, object_key AS key`,
  );
}
