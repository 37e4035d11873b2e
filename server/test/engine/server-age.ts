import pg from "pg";
import type { Database, Transaction } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { ClonedDatabase } from "../database.ts";

/** Runs system transactions as on a server that was started `ageMs` ago (an hour, if left out). */
export interface ServerAge {
  asSystem<T>(work: (transaction: Transaction) => Promise<T>, ageMs?: number): Promise<T>;
}

const AN_HOUR_MS = 3_600_000;

/**
 * The reaper asks the server when it was started and reaps nothing in the first lease time after that, which a test's own
 * server is still in. So the clone gets a function of the same name, and these transactions find it first; the reaper's
 * statements themselves stay as they are.
 */
export async function openServerAge(clone: ClonedDatabase): Promise<ServerAge> {
  const client = new pg.Client({ connectionString: clone.adminUrl });
  await client.connect();
  await client.query(`
    CREATE FUNCTION filemill.pg_postmaster_start_time() RETURNS timestamptz LANGUAGE sql STABLE
    RETURN now() - current_setting('test.server_age_ms')::int * interval '1 millisecond'`);
  await client.end();
  const database: Database = clone.database;
  return {
    asSystem: (work, ageMs = AN_HOUR_MS) =>
      database.asSystem(async (transaction) => {
        await transaction.execute(sql`SET LOCAL search_path = filemill, pg_catalog`);
        await transaction.query(sql`SELECT set_config('test.server_age_ms', ${String(ageMs)}, true)`);
        return await work(transaction);
      }),
  };
}
