import { v7 as uuidv7 } from "uuid";
import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/** The tenant of that name, made where it is missing. As the system. Resolves to its uuid. */
export async function ensureTenant(transaction: Transaction, name: string): Promise<string> {
  await transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${uuidv7()}::uuid, ${name}) ON CONFLICT (name) DO NOTHING`);
  const [row] = await transaction.query<{ id: string }>(sql`SELECT id FROM tenants WHERE name = ${name}`);
  if (!row) throw new Error(`Tenant "${name}" was neither made nor found.`);
  return row.id;
}
