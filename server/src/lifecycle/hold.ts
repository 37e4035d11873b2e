import { encodeId } from "@filemill/contract/ids.ts";
import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { notFound } from "../errors.ts";
import { appendAudit } from "../record/audit.ts";

interface HeldFile {
  readonly tenantId: string;
  readonly id: string;
  readonly actor: string;
}

/**
 * Puts a file under a legal hold: from the commit on it can't be deleted, expired or erased, by nobody, until the hold is
 * lifted. A held file keeps the time of its first hold; the reason is the latest. Throws Problem not_found.
 */
export async function holdFile(database: Database, { tenantId, id, actor, reason }: HeldFile & { readonly reason: string }): Promise<void> {
  const object = encodeId("file", id);
  await database.asTenant(tenantId, async (transaction) => {
    if ((await setHold(transaction, id, reason)) === 0) throw notFound("file", object);
    await appendAudit(transaction, { tenantId, actor, action: "file.hold", object, detail: { reason } });
  });
}

/** Lifts a hold. A file whose time was over meanwhile ends with the next round. Throws Problem not_found; not held is no error. */
export async function liftHold(database: Database, { tenantId, id, actor }: HeldFile): Promise<void> {
  const object = encodeId("file", id);
  await database.asTenant(tenantId, async (transaction) => {
    const held = await lockHold(transaction, id);
    if (held === undefined) throw notFound("file", object);
    if (!held) return;
    await transaction.execute(sql`UPDATE files SET held_at = NULL, hold_reason = NULL WHERE id = ${id}::uuid`);
    await appendAudit(transaction, { tenantId, actor, action: "file.release", object });
  });
}

async function setHold(transaction: Transaction, id: string, reason: string): Promise<number> {
  return await transaction.execute(sql`
    UPDATE files SET held_at = coalesce(held_at, now()), hold_reason = ${reason}
    WHERE id = ${id}::uuid AND status IN ('stored', 'quarantined') AND origin <> 'intermediate'`);
}

async function lockHold(transaction: Transaction, id: string): Promise<boolean | undefined> {
  const [row] = await transaction.query<{ held: boolean }>(sql`
    SELECT held_at IS NOT NULL AS held FROM files
    WHERE id = ${id}::uuid AND status IN ('stored', 'quarantined') AND origin <> 'intermediate' FOR UPDATE`);
  return row?.held;
}
