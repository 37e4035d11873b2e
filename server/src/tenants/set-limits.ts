import { encodeId } from "@filemill/contract/ids.ts";
import type { TenantLimits } from "@filemill/contract/usage.ts";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { notFound } from "../errors.ts";
import { appendAudit } from "../record/audit.ts";

/**
 * Says how much a tenant may keep. What is stored stays, however much it is; nothing more is let in above the limit.
 * Throws Problem not_found where there is no such tenant.
 */
export async function setLimits(
  database: Database,
  change: { readonly tenantId: string; readonly limits: TenantLimits; readonly actor: string },
): Promise<void> {
  const { tenantId, limits, actor } = change;
  const id = encodeId("tenant", tenantId);
  await database.asSystem(async (transaction) => {
    const changed = await transaction.execute(sql`
      INSERT INTO tenant_quotas (tenant_id, limit_bytes, limit_files)
      SELECT id, ${limits.bytes}::bigint, ${limits.files}::bigint FROM tenants WHERE id = ${tenantId}::uuid
      ON CONFLICT (tenant_id) DO UPDATE SET limit_bytes = excluded.limit_bytes, limit_files = excluded.limit_files`);
    if (changed === 0) throw notFound("tenant", id);
    await appendAudit(transaction, { tenantId, actor, action: "quota.set", object: id, detail: limits });
  });
}
