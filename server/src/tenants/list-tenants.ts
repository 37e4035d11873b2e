import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/** Tenants by name, behind `after`; for operators. */
export async function listTenants(
  database: Database,
  { after, limit }: { readonly after: string | undefined; readonly limit: number },
): Promise<{ id: string; name: string }[]> {
  return await database.asSystem((transaction) =>
    transaction.query<{ id: string; name: string }>(sql`
      SELECT id, name FROM tenants WHERE ${after ?? null}::text IS NULL OR name > ${after ?? null} ORDER BY name LIMIT ${limit}`),
  );
}
