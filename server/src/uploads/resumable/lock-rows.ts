import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { UPLOAD_COLUMNS, type UploadRow } from "./upload-row.ts";

/** Which holding of which upload's lock it is; every write that adds to an upload carries it. */
export interface Fence {
  readonly uploadId: string;
  readonly tenantId: string;
  /** UUID of the request that holds it. */
  readonly holder: string;
  readonly epoch: number;
}

/**
 * How long a holder that says nothing keeps the lock: a process that died is waited for so long. One that only stood still
 * loses the lock, and its fence keeps it from writing.
 */
export const LEASE_MS = 8_000;

/** Takes the lock where it is free or its lease has ended; undefined where it is not to be had, or there is no such open upload. */
export async function takeLock(transaction: Transaction, lock: { uploadId: string; holder: string }): Promise<UploadRow | undefined> {
  const [row] = await transaction.query<UploadRow>(sql`
    UPDATE uploads SET lock_holder = ${lock.holder}::uuid, lock_epoch = lock_epoch + 1, lock_until = ${leaseEnd()}, lock_wanted_at = NULL
    WHERE id = ${lock.uploadId}::uuid AND status = 'open' AND expires_at > now() AND (lock_holder IS NULL OR lock_until <= now())
    RETURNING ${UPLOAD_COLUMNS}`);
  return row;
}

/** Tells the holder, whichever process it is in, that another request waits. */
export async function askForLock(transaction: Transaction, { uploadId, epoch }: { uploadId: string; epoch: number }): Promise<void> {
  await transaction.execute(sql`
    UPDATE uploads SET lock_wanted_at = now()
    WHERE id = ${uploadId}::uuid AND lock_epoch = ${epoch} AND lock_holder IS NOT NULL AND lock_wanted_at IS NULL`);
}

/** Of these holdings, those that another request waits for, by upload id. As the system: one look for all tenants. */
export async function wantedLocks(transaction: Transaction, fences: readonly Fence[]): Promise<Set<string>> {
  const rows = await transaction.query<{ id: string }>(sql`
    SELECT id FROM uploads WHERE id = ANY(${fences.map(({ uploadId }) => uploadId)}::uuid[]) AND lock_wanted_at IS NOT NULL`);
  return new Set(rows.map(({ id }) => id));
}

/** One statement renews all holdings of a process. As the system. Gives the upload ids of those that still are. */
export async function renewLocks(transaction: Transaction, fences: readonly Fence[]): Promise<Set<string>> {
  const rows = await transaction.query<{ id: string }>(sql`
    UPDATE uploads SET lock_until = ${leaseEnd()}
    FROM unnest(${fences.map(({ uploadId }) => uploadId)}::uuid[], ${fences.map(({ epoch }) => epoch)}::int[]) AS held(id, epoch)
    WHERE uploads.id = held.id AND lock_epoch = held.epoch AND lock_holder IS NOT NULL
    RETURNING uploads.id`);
  return new Set(rows.map(({ id }) => id));
}

export async function releaseLock(transaction: Transaction, { uploadId, epoch }: Fence): Promise<void> {
  await transaction.execute(sql`
    UPDATE uploads SET lock_holder = NULL, lock_until = NULL, lock_wanted_at = NULL
    WHERE id = ${uploadId}::uuid AND lock_epoch = ${epoch} AND lock_holder IS NOT NULL`);
}

function leaseEnd() {
  return sql`now() + ${LEASE_MS} * interval '1 millisecond'`;
}
