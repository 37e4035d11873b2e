import type { Database, Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import type { KeyProvider } from "../../storage/keys/key-provider.ts";

export interface KeyStatus {
  readonly provider: string;
  /** Which the provider wraps under now. */
  readonly rootVersion: string;
  /** That it can unwrap; undefined where it does not tell. */
  readonly rootVersions: readonly string[] | undefined;
  /** Under which tenants' keys lie: a root key that is not among them may be removed. */
  readonly usedRootVersions: readonly string[];
  /** Tenants' keys under another root key than the current one. */
  readonly tenantKeysToRewrap: number;
  readonly tenants: number;
  /** Versions that wrap nothing new. */
  readonly retiredVersions: number;
  /** Data keys under them. */
  readonly objectKeysToRewrap: number;
}

/** Asks the provider: rejects StorageError where the key store is away. */
export async function readKeyStatus({ database, provider }: { database: Database; provider: KeyProvider }): Promise<KeyStatus> {
  const [rootVersion, rootVersions] = await Promise.all([provider.version(), provider.versions()]);
  const counts = await database.asSystem((transaction) => count(transaction, rootVersion));
  return { provider: provider.name, rootVersion, rootVersions, ...counts };
}

type Counts = Omit<KeyStatus, "provider" | "rootVersion" | "rootVersions">;

async function count(transaction: Transaction, rootVersion: string): Promise<Counts> {
  const [row] = await transaction.query<Counts>(sql`
    SELECT count(*) FILTER (WHERE root_version <> ${rootVersion}) AS "tenantKeysToRewrap",
      coalesce(array_agg(DISTINCT root_version), '{}') AS "usedRootVersions",
      count(DISTINCT tenant_id) AS tenants, count(*) FILTER (WHERE retired_at IS NOT NULL) AS "retiredVersions",
      coalesce(sum((SELECT count(*) FROM object_keys WHERE kek_id = tenant_keys.id AND kek_version = tenant_keys.version))
        FILTER (WHERE retired_at IS NOT NULL), 0)::bigint AS "objectKeysToRewrap"
    FROM tenant_keys`);
  if (row === undefined) throw new Error("a count gave no row");
  return row;
}
