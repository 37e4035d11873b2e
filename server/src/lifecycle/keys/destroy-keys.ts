import { encodeId } from "@filemill/contract/ids.ts";
import type { Database } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { failpoint } from "../../failpoint.ts";
import { appendAudits } from "../../record/audit.ts";

/**
 * A retired version is kept for so long, even when no object is left under it: signed links that were made with it may be
 * seven days old, and a process that was stopped may still come to record an object under it.
 */
export const RETIRED_DAYS = 8;

/**
 * Destroys versions of tenants' keys that were retired long ago and that no row needs, which the deleting statement itself
 * looks at; the foreign key holds off who would insert such a row at this moment. Gives their number.
 */
export async function destroyKeys(database: Database): Promise<number> {
  return database.asSystem(async (transaction) => {
    const gone = await transaction.query<{ tenantId: string; version: number }>(sql`
      DELETE FROM tenant_keys
      WHERE retired_at < now() - ${RETIRED_DAYS} * interval '1 day'
        AND NOT EXISTS (SELECT FROM object_keys WHERE kek_id = tenant_keys.id AND kek_version = tenant_keys.version)
      RETURNING tenant_id AS "tenantId", version`);
    await appendAudits(
      transaction,
      gone.map(({ tenantId, version }) => ({
        ...{ tenantId, actor: "system", action: "key.destroy", object: encodeId("tenant", tenantId), detail: { version } },
      })),
    );
    await failpoint("key-destroy-before-commit");
    return gone.length;
  });
}
