import type { Database, Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { StorageError } from "../../errors.ts";
import { failpoint } from "../../failpoint.ts";
import type { KeyProvider } from "../../storage/keys/key-provider.ts";
import { tenantKeyName, type TenantKeyRow } from "../../storage/keys/tenant-keys.ts";
import type { Rewrapped } from "./rewrap-object-keys.ts";

/**
 * Wraps every tenant's key that lies under an older root key anew, under the current one: after a rotation here, by the key
 * service itself, or a move to another provider. One key a transaction; what can't be unwrapped stays as it is and is
 * counted. Nothing of the objects changes.
 */
export async function rewrapTenantKeys(options: {
  readonly database: Database;
  readonly provider: KeyProvider;
  readonly signal?: AbortSignal | undefined;
}): Promise<Rewrapped> {
  const { database, provider, signal } = options;
  const total = { rewrapped: 0, left: 0 };
  const current = await provider.version();
  for (const row of await database.asSystem((transaction) => findOlder(transaction, current))) {
    if (signal?.aborted) break;
    try {
      const name = tenantKeyName(row.tenantId, row);
      const wrapped = await provider.wrap(await provider.unwrap(row, name), name);
      await database.asSystem(async (transaction) => {
        await replace(transaction, row, wrapped);
        await failpoint("root-rewrap-before-commit");
      });
      total.rewrapped += 1;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      total.left += 1;
    }
  }
  return total;
}

type FoundKey = TenantKeyRow & { readonly tenantId: string };

async function findOlder(transaction: Transaction, current: string): Promise<FoundKey[]> {
  return transaction.query<FoundKey>(sql`
    SELECT tenant_id AS "tenantId", id, version, root_version AS "rootVersion", wrapped_key AS "wrappedKey"
    FROM tenant_keys WHERE root_version <> ${current}`);
}

/** Where nobody else has done it meanwhile. */
async function replace(
  transaction: Transaction,
  { tenantId, id, version, wrappedKey }: FoundKey,
  wrapped: { rootVersion: string; wrappedKey: Buffer },
): Promise<void> {
  await transaction.execute(sql`
    UPDATE tenant_keys SET root_version = ${wrapped.rootVersion}, wrapped_key = ${wrapped.wrappedKey}
    WHERE tenant_id = ${tenantId}::uuid AND id = ${id}::uuid AND version = ${version} AND wrapped_key = ${wrappedKey}`);
}
