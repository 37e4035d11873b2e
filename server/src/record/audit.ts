import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/** Who did what to which thing. */
export interface AuditEntry {
  readonly tenantId: string;
  /** `key_…`, `usr_…`, or `system` for what the platform does by itself. */
  readonly actor: string;
  /** `<noun>.<verb>`, for example `job.cancel`. */
  readonly action: string;
  /** The public id of the thing. */
  readonly object: string;
  /** Never a secret. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Records the entry with the change that it tells of: both are there after the commit, or neither. Entries are never changed. */
export async function appendAudit(transaction: Transaction, entry: AuditEntry): Promise<void> {
  await transaction.execute(sql`
    INSERT INTO audit_entries (tenant_id, actor, action, object, detail)
    VALUES (${entry.tenantId}::uuid, ${entry.actor}, ${entry.action}, ${entry.object}, ${JSON.stringify(entry.detail ?? {})}::jsonb)`);
}
