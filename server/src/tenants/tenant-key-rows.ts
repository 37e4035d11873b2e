import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/** One version of a tenant's key, wrapped under the root key. */
export interface TenantKeyRow {
  readonly id: string;
  readonly version: number;
  readonly rootVersion: string;
  readonly wrappedKey: Buffer;
}

/** The rows behind storage/keys/tenant-keys.ts, each question a transaction of its own, as the tenant. */
export function tenantKeyRows(database: Database) {
  return {
    async current(tenantId: string): Promise<TenantKeyRow | undefined> {
      const [row] = await database.asTenant(tenantId, (transaction) =>
        transaction.query<TenantKeyRow>(sql`
          SELECT id, version, root_version AS "rootVersion", wrapped_key AS "wrappedKey"
          FROM tenant_keys WHERE tenant_id = ${tenantId}::uuid AND retired_at IS NULL`),
      );
      return row;
    },

    async find(tenantId: string, version: number): Promise<TenantKeyRow | undefined> {
      const [row] = await database.asTenant(tenantId, (transaction) =>
        transaction.query<TenantKeyRow>(sql`
          SELECT id, version, root_version AS "rootVersion", wrapped_key AS "wrappedKey"
          FROM tenant_keys WHERE tenant_id = ${tenantId}::uuid AND version = ${version}`),
      );
      return row;
    },

    /** Of many that come at once one row stays: the index allows one current version a tenant. Gives the one that stayed. */
    async addFirst(tenantId: string, key: TenantKeyRow): Promise<TenantKeyRow> {
      return await database.asTenant(tenantId, async (transaction) => {
        await transaction.execute(sql`
          INSERT INTO tenant_keys (tenant_id, id, version, root_version, wrapped_key)
          VALUES (${tenantId}::uuid, ${key.id}::uuid, ${key.version}, ${key.rootVersion}, ${key.wrappedKey})
          ON CONFLICT (tenant_id) WHERE retired_at IS NULL DO NOTHING`);
        const [row] = await transaction.query<TenantKeyRow>(sql`
          SELECT id, version, root_version AS "rootVersion", wrapped_key AS "wrappedKey"
          FROM tenant_keys WHERE tenant_id = ${tenantId}::uuid AND retired_at IS NULL`);
        if (row === undefined) throw new Error(`tenant ${tenantId} has no current key though one was just inserted`);
        return row;
      });
    },
  };
}
