import type { Database, Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { StorageError } from "../../errors.ts";
import { failpoint } from "../../failpoint.ts";
import type { ContentKeys } from "../../storage/keys/content-keys.ts";
import type { Seal } from "../../storage/stored-content.ts";

export interface RewrapOptions {
  readonly database: Database;
  readonly contentKeys: ContentKeys;
  /** Ends after the batch under way. */
  readonly signal?: AbortSignal | undefined;
}

export interface Rewrapped {
  readonly rewrapped: number;
  /** Data keys that can't be opened, or that somebody holds: they stay where they are. */
  readonly left: number;
}

const BATCH = 500;

/**
 * Wraps every data key that lies under a retired version of its tenant's key anew, under the current one. Batches are
 * transactions of their own: killed anywhere, the next call goes on with what is left. Readers are not disturbed: they read
 * the old row or the new one, and both versions open.
 */
export async function rewrapObjectKeys(options: RewrapOptions): Promise<Rewrapped> {
  const total = { rewrapped: 0, left: 0 };
  for (const retired of await options.database.asSystem(findRetired)) {
    const skipped: string[] = [];
    for (;;) {
      if (options.signal?.aborted) return total;
      const { rewrapped, found, unreadable } = await rewrapBatch(options, retired, skipped);
      total.rewrapped += rewrapped;
      skipped.push(...unreadable);
      if (found < BATCH) break;
    }
    total.left += skipped.length;
  }
  return total;
}

interface RetiredKey {
  readonly tenantId: string;
  readonly id: string;
  readonly version: number;
  readonly current: number;
}

async function findRetired(transaction: Transaction): Promise<RetiredKey[]> {
  return transaction.query<RetiredKey>(sql`
    SELECT retired.tenant_id AS "tenantId", retired.id, retired.version, current.version AS current
    FROM tenant_keys AS retired
    JOIN tenant_keys AS current ON current.tenant_id = retired.tenant_id AND current.retired_at IS NULL
    WHERE retired.retired_at IS NOT NULL
      AND EXISTS (SELECT FROM object_keys WHERE kek_id = retired.id AND kek_version = retired.version)`);
}

async function rewrapBatch(
  { database, contentKeys }: RewrapOptions,
  { tenantId, id, version, current }: RetiredKey,
  skipped: readonly string[],
): Promise<{ rewrapped: number; found: number; unreadable: string[] }> {
  return database.asSystem(async (transaction) => {
    const rows = await transaction.query<{ objectId: string; wrappedDek: Buffer }>(sql`
      SELECT object_id AS "objectId", wrapped_dek AS "wrappedDek" FROM object_keys
      WHERE kek_id = ${id}::uuid AND kek_version = ${version} AND tenant_id = ${tenantId}::uuid AND object_id <> ALL(${skipped}::uuid[])
      LIMIT ${BATCH} FOR UPDATE SKIP LOCKED`);
    const done: { objectId: string; seal: Seal }[] = [];
    const unreadable: string[] = [];
    for (const { objectId, wrappedDek } of rows) {
      const seal = await rewrapOne(contentKeys, { tenantId, objectId, seal: { kekId: id, kekVersion: version, wrappedDek } }, current);
      if (seal === undefined) unreadable.push(objectId);
      else done.push({ objectId, seal });
    }
    await transaction.execute(sql`
      UPDATE object_keys SET kek_version = ${current}, wrapped_dek = given.wrapped_dek
      FROM unnest(${done.map(({ objectId }) => objectId)}::uuid[], ${done.map(({ seal }) => seal.wrappedDek)}::bytea[]) AS given(object_id, wrapped_dek)
      WHERE object_keys.object_id = given.object_id`);
    await failpoint("key-rewrap-before-commit");
    return { rewrapped: done.length, found: rows.length, unreadable };
  });
}

/** Undefined where the data key was changed: nobody can open it, and it must not keep the others from their new version. */
async function rewrapOne(
  contentKeys: ContentKeys,
  object: { tenantId: string; objectId: string; seal: Seal },
  version: number,
): Promise<Seal | undefined> {
  try {
    return await contentKeys.rewrap(object, version);
  } catch (error) {
    if (error instanceof StorageError && error.code === "damaged") return undefined;
    throw error;
  }
}
