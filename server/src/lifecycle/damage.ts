import { encodeId } from "@filemill/contract/ids.ts";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { appendAudit } from "../record/audit.ts";
import { appendEvents } from "../record/events.ts";

export interface Damage {
  /** missing: a store does not have an object. damaged: it has other bytes. */
  readonly kind: "missing" | "damaged";
  readonly detail: string;
}

interface CheckedFile {
  readonly id: string;
  readonly tenantId: string;
}

/**
 * Takes a file whose bytes are not what was stored out of service: nobody is served wrong bytes. It is not deleted, because
 * the object may come back (a mount, a backup), and the next cycle that finds it whole puts it back. `gone`:
 * the file was deleted meanwhile; `known`: it was out of service already.
 */
export async function recordDamage(
  database: Database,
  { id, tenantId }: CheckedFile,
  { kind, detail }: Damage,
): Promise<"new" | "known" | "gone"> {
  const object = encodeId("file", id);
  return await database.asSystem(async (transaction) => {
    const [file] = await transaction.query<{ status: string }>(sql`
      SELECT status FROM files WHERE id = ${id}::uuid AND status IN ('stored', 'quarantined') FOR UPDATE`);
    if (file === undefined) return "gone";
    await transaction.execute(sql`
      INSERT INTO damaged_files AS known (file_id, tenant_id, kind, detail) VALUES (${id}::uuid, ${tenantId}::uuid, ${kind}, ${detail})
      ON CONFLICT (file_id) DO UPDATE SET kind = excluded.kind, detail = excluded.detail, healed_at = NULL,
        found_at = CASE WHEN known.healed_at IS NULL THEN known.found_at ELSE now() END`);
    if (file.status === "quarantined") return "known";
    await transaction.execute(sql`UPDATE files SET status = 'quarantined' WHERE id = ${id}::uuid`);
    await appendEvents(transaction, [{ tenantId, type: "file.quarantined", data: { file_id: object, reason: kind } }]);
    await appendAudit(transaction, { tenantId, actor: "system", action: "file.quarantine", object, detail: { reason: kind } });
    return "new";
  });
}

/** The file's bytes are right again. False where it was not out of service for that. */
export async function recordHealing(database: Database, { id, tenantId }: CheckedFile): Promise<boolean> {
  return await database.asSystem(async (transaction) => {
    const healed = await transaction.execute(sql`
      UPDATE files SET status = 'stored' FROM damaged_files
      WHERE files.id = ${id}::uuid AND status = 'quarantined' AND damaged_files.file_id = files.id AND healed_at IS NULL`);
    if (healed === 0) return false;
    await transaction.execute(sql`UPDATE damaged_files SET healed_at = now() WHERE file_id = ${id}::uuid`);
    await appendAudit(transaction, { tenantId, actor: "system", action: "file.heal", object: encodeId("file", id) });
    return true;
  });
}
