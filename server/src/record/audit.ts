import type { Transaction } from "../db/database.ts";
import { sql, type Statement } from "../db/sql.ts";

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
  await appendAudits(transaction, [entry]);
}

/** As appendAudit; one statement however many. */
export async function appendAudits(transaction: Transaction, entries: readonly AuditEntry[]): Promise<void> {
  const insertion = auditsInsertion(entries);
  if (insertion !== undefined) await transaction.execute(insertion);
}

/** To be one statement with what the entries tell of. Undefined where there are none. */
export function auditsInsertion(entries: readonly AuditEntry[]): Statement | undefined {
  if (entries.length === 0) return undefined;
  return sql`
    INSERT INTO audit_entries (tenant_id, actor, action, object, detail)
    SELECT * FROM unnest(
      ${entries.map(({ tenantId }) => tenantId)}::uuid[], ${entries.map(({ actor }) => actor)}::text[],
      ${entries.map(({ action }) => action)}::text[], ${entries.map(({ object }) => object)}::text[],
      ${entries.map(({ detail }) => JSON.stringify(detail ?? {}))}::jsonb[])`;
}
