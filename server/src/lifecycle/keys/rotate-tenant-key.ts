import { randomBytes } from "node:crypto";
import { encodeId } from "@filemill/contract/ids.ts";
import type { Database, Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { notFound, Problem } from "../../errors.ts";
import { failpoint } from "../../failpoint.ts";
import { appendAudit } from "../../record/audit.ts";
import { appendEvents } from "../../record/events.ts";
import type { KeyProvider } from "../../storage/keys/key-provider.ts";
import { tenantKeyName } from "../../storage/keys/tenant-keys.ts";

export interface Rotation {
  readonly tenantId: string;
  readonly actor: string;
}

/**
 * A new version of a tenant's key, under which new objects are wrapped from now on (in every process, within half a
 * minute). What lies under the version before is re-wrapped by rewrap-object-keys.ts. Gives the new version; undefined where
 * the tenant has no key yet, which then is as new as one can be.
 *
 * Throws Problem `not_found` for a tenant that is not there, `conflict` where another rotation came first; StorageError.
 */
export async function rotateTenantKey(
  { database, provider }: { database: Database; provider: KeyProvider },
  { tenantId, actor }: Rotation,
): Promise<number | undefined> {
  const publicId = encodeId("tenant", tenantId);
  const [tenant] = await database.asSystem((transaction) =>
    transaction.query<{ keyId: string | null; version: number | null }>(sql`
      SELECT tenant_keys.id AS "keyId", version FROM tenants
      LEFT JOIN tenant_keys ON tenant_keys.tenant_id = tenants.id AND retired_at IS NULL WHERE tenants.id = ${tenantId}::uuid`),
  );
  if (tenant === undefined) throw notFound("tenant", publicId);
  const { keyId: id, version: before } = tenant;
  if (id === null || before === null) return undefined;
  const version = before + 1;
  // Before the transaction: a key service may take its time, and a lock would wait for it.
  const wrapped = await provider.wrap(randomBytes(32), tenantKeyName(tenantId, { id, version }));
  await database.asSystem(async (transaction) => {
    if (!(await retire(transaction, { tenantId, version: before }))) {
      throw new Problem("conflict", `The key of "${publicId}" was rotated by somebody else just now; look at its status.`);
    }
    await transaction.execute(sql`
      INSERT INTO tenant_keys (tenant_id, id, version, root_version, wrapped_key)
      VALUES (${tenantId}::uuid, ${id}::uuid, ${version}, ${wrapped.rootVersion}, ${wrapped.wrappedKey})`);
    await appendEvents(transaction, [{ tenantId, type: "key.rotated", data: { id: publicId, version } }]);
    await appendAudit(transaction, { tenantId, actor, action: "key.rotate", object: publicId, detail: { version } });
    await failpoint("key-rotate-before-commit");
  });
  await failpoint("key-rotate-after-commit");
  return version;
}

async function retire(transaction: Transaction, { tenantId, version }: { tenantId: string; version: number }): Promise<boolean> {
  const changed = await transaction.execute(sql`
    UPDATE tenant_keys SET retired_at = now() WHERE tenant_id = ${tenantId}::uuid AND version = ${version} AND retired_at IS NULL`);
  return changed > 0;
}
