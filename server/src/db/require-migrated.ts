import pg from "pg";
import { whyUnreachable } from "./database-errors.ts";
import { sql } from "./sql.ts";
import { MIGRATIONS_FOLDER, MigrationError, readMigrations } from "./migrate.ts";
import type { Database } from "./database.ts";

/**
 * Rejects with MigrationError `behind` unless every migration of this version is applied, `unreachable` where the database
 * refuses us or is not there. A database that has more is fine: migrations are made so that the version before them keeps
 * working.
 */
export async function requireMigrated(database: Database, folder: string = MIGRATIONS_FOLDER): Promise<void> {
  const known = await readMigrations(folder);
  const applied = await readApplied(database);
  const missing = known.find((migration) => !applied.has(migration.number));
  if (!missing) return;
  throw new MigrationError(
    "behind",
    `The database lacks migration ${missing.file}. Run "node server/bin/migrate.ts" with FILEMILL_DATABASE_URL set to it.`,
  );
}

/** insufficient_privilege, undefined_object: the login or the role is not there yet, as before the first migration. */
const NO_ROLE = new Set(["42501", "42704", "22023"]);

async function readApplied(database: Database): Promise<Set<number>> {
  try {
    return await database.asSystem(async (transaction) => {
      const [table] = await transaction.query<{ present: boolean }>(sql`SELECT to_regclass('filemill_migrations') IS NOT NULL AS present`);
      if (table?.present !== true) return new Set();
      const rows = await transaction.query<{ number: number }>(sql`SELECT number FROM filemill_migrations`);
      return new Set(rows.map((row) => row.number));
    });
  } catch (error) {
    if (error instanceof pg.DatabaseError && NO_ROLE.has(error.code ?? "")) return new Set();
    const why = whyUnreachable(error);
    throw why === undefined ? error : new MigrationError("unreachable", why, { cause: error });
  }
}
