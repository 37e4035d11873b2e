import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { ConfigError, StorageError } from "../errors.ts";
import type { ObjectStores } from "../storage/object-stores.ts";

/** Rows looked at from each end of the table, which is in the order of time; in between a thousandth of its pages. */
const AT_EACH_END = 1_000;
const SAMPLE_PERCENT = 0.1;

/**
 * Refuses to start with stores that are not the ones that the database knows: one that was renamed or left out, whose files
 * nobody could read, or one that holds nothing at all, because its disk is not mounted. Looks at a sample, so that it takes
 * milliseconds whatever the table's size. A store that is away is not judged, nor one named in `mayBeEmpty`. Throws
 * ConfigError.
 */
export async function requireStores(database: Database, stores: ObjectStores, mayBeEmpty: readonly string[] = []): Promise<void> {
  const used = await database.asSystem(namesInUse);
  const configured = new Set(stores.all.map((store) => store.name));
  const unknown = used.filter((name) => !configured.has(name));
  if (unknown.length > 0) {
    const missing = unknown.map((name) => `"${name}"`).join(", ");
    const there = [...configured].map((name) => `"${name}"`).join(", ");
    throw new ConfigError([
      `FILEMILL_STORAGE_URL names the stores ${there}, but stored files are in ${missing}; add that under its name (?name=…), or name it as before`,
    ]);
  }
  for (const name of used) {
    if (mayBeEmpty.includes(name) || !(await holdsNothing(stores, name))) continue;
    throw new ConfigError([
      `FILEMILL_STORAGE_URL: the store "${name}" is empty, but files are stored in it; is its disk mounted, and is it the right folder, bucket or container? Where they are lost, add empty=accepted to its URL`,
    ]);
  }
}

async function namesInUse(transaction: Transaction): Promise<string[]> {
  const rows = await transaction.query<{ store: string }>(sql`
    (SELECT store FROM (SELECT store FROM segments ORDER BY file_id LIMIT ${AT_EACH_END}) AS oldest)
    UNION (SELECT store FROM (SELECT store FROM segments ORDER BY file_id DESC LIMIT ${AT_EACH_END}) AS newest)
    UNION (SELECT store FROM segments TABLESAMPLE SYSTEM (${SAMPLE_PERCENT}))
    ORDER BY store`);
  return rows.map((row) => row.store);
}

async function holdsNothing(stores: ObjectStores, name: string): Promise<boolean> {
  try {
    for await (const _object of stores.named(name).list("")) return false;
    return true;
  } catch (error) {
    if (error instanceof StorageError) return false;
    throw error;
  }
}
