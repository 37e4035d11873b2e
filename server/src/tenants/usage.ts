import { STORAGE_CLASSES, type StorageClass } from "@filemill/contract/storage-class.ts";
import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";

export interface Amount {
  readonly bytes: number;
  readonly files: number;
}

/** null: none. */
export interface TenantLimits {
  readonly bytes: number | null;
  readonly files: number | null;
}

/** What a tenant keeps at one moment. */
export interface Usage {
  /** Stored files, outputs among them; what only crosses a stage boundary is not. */
  readonly used: Amount;
  /** Of uploads and tasks under way, under a limit. */
  readonly reserved: Amount;
  readonly byClass: Readonly<Record<StorageClass, Amount>>;
  /** Changes that the totals do not hold yet. */
  readonly unfolded: number;
}

/** More than this in one look, and the totals should be brought up to date. */
export const MANY_UNFOLDED = 1_000;
const FOLD_BATCH = 10_000;

/** Exact as of the statement: totals, and what has changed since, are read in one. As the tenant or as the system. */
export async function readUsage(transaction: Transaction, tenantId: string): Promise<Usage> {
  const rows = await transaction.query<{ what: string; bytes: number; files: number; rows: number }>(sql`
    SELECT storage_class AS what, sum(bytes)::bigint AS bytes, sum(files)::bigint AS files, count(*) FILTER (WHERE change) AS rows
    FROM (
      SELECT storage_class, bytes, files, false AS change FROM usage_totals WHERE tenant_id = ${tenantId}::uuid
      UNION ALL SELECT storage_class, bytes, files, true FROM usage_changes WHERE tenant_id = ${tenantId}::uuid
      UNION ALL SELECT ${RESERVED}, bytes, files, false FROM quota_reservations WHERE tenant_id = ${tenantId}::uuid) AS counted
    GROUP BY 1`);
  const amounts = new Map(rows.map(({ what, bytes, files }) => [what, { bytes, files }]));
  const of = (what: string): Amount => amounts.get(what) ?? { bytes: 0, files: 0 };
  const byClass = { hot: of("hot"), cold: of("cold"), archive: of("archive") };
  const sum = (pick: (amount: Amount) => number) => STORAGE_CLASSES.reduce((total, name) => total + pick(byClass[name]), 0);
  return {
    used: { bytes: sum(({ bytes }) => bytes), files: sum(({ files }) => files) },
    reserved: of(RESERVED),
    byClass,
    unfolded: rows.reduce((total, row) => total + row.rows, 0),
  };
}

const RESERVED = "reserved";

export async function readLimits(transaction: Transaction, tenantId: string): Promise<TenantLimits> {
  const [row] = await transaction.query<TenantLimits>(sql`
    SELECT limit_bytes AS bytes, limit_files AS files FROM tenant_quotas WHERE tenant_id = ${tenantId}::uuid`);
  return row ?? { bytes: null, files: null };
}

/**
 * Brings the totals up to date: of one tenant, or of all. In batches, each a transaction; any number may run at once,
 * because each change is deleted by one of them. Gives the number of changes.
 */
export async function foldUsage(
  database: Database,
  { tenantId, signal }: { tenantId?: string; signal?: AbortSignal | undefined } = {},
): Promise<number> {
  for (let total = 0; ;) {
    const folded = signal?.aborted ? 0 : await database.asSystem((transaction) => foldBatch(transaction, tenantId));
    total += folded;
    if (folded < FOLD_BATCH) return total;
  }
}

/** By ctid, because the rows have no key; a place that the statement has seen is not used again while it runs. */
async function foldBatch(transaction: Transaction, tenantId: string | undefined): Promise<number> {
  const [row] = await transaction.query<{ folded: number }>(sql`
    WITH gone AS (
      DELETE FROM usage_changes WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM usage_changes WHERE ${tenantId ?? null}::uuid IS NULL OR tenant_id = ${tenantId ?? null}::uuid
        LIMIT ${FOLD_BATCH}))
      RETURNING tenant_id, storage_class, bytes, files),
    folded AS (
      INSERT INTO usage_totals AS totals (tenant_id, storage_class, bytes, files)
      SELECT tenant_id, storage_class, sum(bytes), sum(files) FROM gone GROUP BY 1, 2 ORDER BY 1, 2
      ON CONFLICT (tenant_id, storage_class) DO UPDATE SET bytes = totals.bytes + excluded.bytes, files = totals.files + excluded.files)
    SELECT count(*) AS folded FROM gone`);
  return row?.folded ?? 0;
}
