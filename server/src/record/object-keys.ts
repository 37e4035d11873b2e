import { byteaArray } from "../db/bytea-array.ts";
import type { Transaction } from "../db/database.ts";
import { sql, type Statement } from "../db/sql.ts";
import type { ReadSeal, Seal } from "../storage/stored-content.ts";

export interface ObjectKey {
  readonly objectId: string;
  readonly tenantId: string;
  readonly seal: Seal;
}

/** Columns of object_keys beside those of an object that may have no key: for a LEFT JOIN. */
export interface SealColumns {
  /** Of the object: 0 plain, 1 sealed. */
  readonly encoding: number;
  readonly kekId: string | null;
  readonly kekVersion: number | null;
  /** As bytes, or in hex where it comes out of JSON. */
  readonly wrappedDek: Buffer | string | null;
}

/** Fails where a tenant's key that one of them needs has been destroyed meanwhile. A row that is there stays: a rotation may have changed it. */
export async function insertObjectKeys(transaction: Transaction, keys: readonly ObjectKey[]): Promise<void> {
  if (keys.length > 0) await transaction.execute(sql`${insertion(keys)}`);
}

/** As a statement, to be one with the insertion of what the keys are for. */
export function insertion(keys: readonly ObjectKey[]): Statement {
  return sql`
    INSERT INTO object_keys (object_id, tenant_id, kek_id, kek_version, wrapped_dek)
    SELECT * FROM unnest(
      ${keys.map(({ objectId }) => objectId)}::uuid[], ${keys.map(({ tenantId }) => tenantId)}::uuid[],
      ${keys.map(({ seal }) => seal.kekId)}::uuid[], ${keys.map(({ seal }) => seal.kekVersion)}::int[],
      ${byteaArray(keys.map(({ seal }) => seal.wrappedDek))}::bytea[])
    ON CONFLICT (object_id) DO NOTHING`;
}

export function sealOf({ encoding, kekId, kekVersion, wrappedDek }: SealColumns): ReadSeal | undefined {
  if (encoding === 0) return undefined;
  if (kekId === null || kekVersion === null || wrappedDek === null) return "destroyed";
  return { kekId, kekVersion, wrappedDek: typeof wrappedDek === "string" ? Buffer.from(wrappedDek, "hex") : wrappedDek };
}
