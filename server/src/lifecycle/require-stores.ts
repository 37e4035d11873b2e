import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { StorageClass } from "@filemill/contract/storage-class.ts";
import type { StorageConfig } from "../config.ts";
import { ConfigError, StorageError } from "../errors.ts";
import { openStores } from "../storage/open-stores.ts";
import type { ObjectStores } from "../storage/object-stores.ts";

/** Rows looked at from each end of the table, which is in the order of time; in between a thousandth of its pages. */
const AT_EACH_END = 1_000;
const SAMPLE_PERCENT = 0.1;

/**
 * Opens the stores, and refuses to start with stores that are not the ones that the database knows: one that was renamed or
 * left out, whose files nobody could read, or one that holds nothing at all, because its disk is not mounted. Nothing is
 * begun in the empty folder of such a disk, because processes that run would take its files for deleted. Looks at a sample,
 * so that it takes milliseconds whatever the tables' size. A remote store that is away is not judged, nor one that may be
 * empty. Throws ConfigError.
 */
export async function openKnownStores(
  database: Database,
  { stores: configs, spoolFolder }: Pick<StorageConfig, "stores" | "spoolFolder">,
): Promise<ObjectStores> {
  const known = await database.asSystem(async (transaction) => ({
    names: await namesInUse(transaction),
    cold: await coldInUse(transaction),
  }));
  requireNames(
    known.names,
    configs.map(({ name }) => name),
  );
  const isInUse = (name: string, storageClass: StorageClass) =>
    storageClass === "hot" ? known.names.includes(name) : known.cold.some((one) => one.store === name && one.storageClass === storageClass);
  const stores = await openStores(configs, { spoolFolder, isInUse }).catch((error: unknown) => {
    throw error instanceof StorageError ? new ConfigError([`FILEMILL_STORAGE_URL: ${error.message}${IF_LOST}`]) : error;
  });
  try {
    for (const { name, mayBeEmpty } of configs) {
      if (mayBeEmpty || !known.names.includes(name) || !(await holdsNothing(stores, name))) continue;
      throw new ConfigError([
        `FILEMILL_STORAGE_URL: the store "${name}" is empty, but files are stored in it; is its disk mounted, and is it the right folder, bucket or container?${IF_LOST}`,
      ]);
    }
    return stores;
  } catch (error) {
    await stores.close();
    throw error;
  }
}

const IF_LOST = " Where they are lost, add empty=accepted to its URL";

function requireNames(used: readonly string[], configured: readonly string[]): void {
  const unknown = used.filter((name) => !configured.includes(name));
  if (unknown.length === 0) return;
  const missing = unknown.map((name) => `"${name}"`).join(", ");
  const there = configured.map((name) => `"${name}"`).join(", ");
  throw new ConfigError([
    `FILEMILL_STORAGE_URL names the stores ${there}, but stored files are in ${missing}; add that under its name (?name=…), or name it as before`,
  ]);
}

async function namesInUse(transaction: Transaction): Promise<string[]> {
  const rows = await transaction.query<{ store: string }>(sql`
    (SELECT store FROM (SELECT store FROM segments ORDER BY file_id LIMIT ${AT_EACH_END}) AS oldest)
    UNION (SELECT store FROM (SELECT store FROM segments ORDER BY file_id DESC LIMIT ${AT_EACH_END}) AS newest)
    UNION (SELECT store FROM segments TABLESAMPLE SYSTEM (${SAMPLE_PERCENT}))
    ORDER BY store`);
  return rows.map((row) => row.store);
}

/** Of the oldest files, which are the first to become cold. */
async function coldInUse(transaction: Transaction): Promise<{ store: string; storageClass: StorageClass }[]> {
  return await transaction.query(sql`
    SELECT DISTINCT store, storage_class AS "storageClass"
    FROM (SELECT store, file_id FROM segments ORDER BY file_id LIMIT ${AT_EACH_END}) AS oldest JOIN files ON files.id = file_id
    WHERE storage_class <> 'hot' AND status <> 'deleted'`);
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
