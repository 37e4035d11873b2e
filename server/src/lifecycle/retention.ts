import { encodeId } from "@filemill/contract/ids.ts";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { notFound } from "../errors.ts";
import { appendAudit } from "../record/audit.ts";

/** When the file ends by itself; null: never. Throws Problem not_found. */
export async function setExpiry(
  database: Database,
  change: { readonly tenantId: string; readonly id: string; readonly expiresAt: Date | null; readonly actor: string },
): Promise<void> {
  const { tenantId, id, expiresAt, actor } = change;
  const object = encodeId("file", id);
  await database.asTenant(tenantId, async (transaction) => {
    const changed = await transaction.execute(sql`
      UPDATE files SET expires_at = ${expiresAt}::timestamptz
      WHERE id = ${id}::uuid AND status IN ('stored', 'quarantined') AND origin <> 'intermediate'`);
    if (changed === 0) throw notFound("file", object);
    const detail = { expires_at: expiresAt?.toISOString() ?? null };
    await appendAudit(transaction, { tenantId, actor, action: "file.set_expiry", object, detail });
  });
}

/** How long the tenant's files are kept that say nothing themselves, ms; null: until somebody deletes them. */
export async function readRetention(database: Database, tenantId: string): Promise<number | null> {
  const [row] = await database.asTenant(tenantId, (transaction) =>
    transaction.query<{ seconds: number | null }>(sql`SELECT retention_seconds AS seconds FROM tenants WHERE id = ${tenantId}::uuid`),
  );
  const seconds = row?.seconds ?? null;
  return seconds === null ? null : seconds * 1_000;
}

/**
 * Changes it for files that are stored from now on: what is there keeps the end that it had, so that no mistake here deletes
 * anything. As the system, because what serves a tenant does not change the tenant.
 */
export async function setRetention(
  database: Database,
  change: { readonly tenantId: string; readonly keepMs: number | null; readonly actor: string },
): Promise<void> {
  const { tenantId, keepMs, actor } = change;
  const seconds = keepMs === null ? null : Math.max(1, Math.ceil(keepMs / 1_000));
  await database.asSystem(async (transaction) => {
    await transaction.execute(sql`UPDATE tenants SET retention_seconds = ${seconds}::bigint WHERE id = ${tenantId}::uuid`);
    const object = encodeId("tenant", tenantId);
    await appendAudit(transaction, { tenantId, actor, action: "retention.set", object, detail: { seconds } });
  });
}
