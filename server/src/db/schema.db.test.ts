import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { dumpSchema } from "../../test/dump-schema.ts";

let db: ClonedDatabase;
let admin: pg.Client;
beforeAll(async () => {
  db = await cloneDatabase();
  admin = new pg.Client({ connectionString: db.adminUrl });
  await admin.connect();
});
afterAll(async () => {
  await admin.end();
  await db.close();
});

async function names(query: string): Promise<string[]> {
  return (await admin.query<{ name: string }>(query)).rows.map((row) => row.name);
}

/** Tables that hold nothing of a tenant. A new one must be put here on purpose. */
const WITHOUT_TENANT = ["file_walks", "filemill_migrations", "root_keys", "workers", "metric_sources", "metric_totals"];
/** The tenants themselves: their id is the tenant. */
const TENANT_COLUMN_ELSEWHERE = ["tenants"];

const TABLES = `SELECT relname AS name FROM pg_class WHERE relnamespace = 'filemill'::regnamespace AND relkind IN ('r', 'p')`;
const WITH_TENANT = `${TABLES} AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'tenant_id' AND NOT attisdropped)`;

/** After a change of a migration: vitest run server/src/db/schema.db.test.ts -u */
test("server/migrations/schema.sql is what the migrations make", async () => {
  await expect(await dumpSchema(admin)).toMatchFileSnapshot("../../migrations/schema.sql");
});

test("every table has a tenant or is known to have none", async () => {
  const without = (await names(TABLES)).filter((name) => !WITHOUT_TENANT.includes(name) && !TENANT_COLUMN_ELSEWHERE.includes(name));
  expect(without.sort()).toEqual((await names(WITH_TENANT)).sort());
});

describe("every table of tenants", () => {
  const isTenants = `(oid IN (SELECT attrelid FROM pg_attribute WHERE attname = 'tenant_id' AND NOT attisdropped) OR relname = 'tenants')`;

  test("has row-level security, forced", async () => {
    expect(await names(`${TABLES} AND ${isTenants} AND NOT (relrowsecurity AND relforcerowsecurity)`)).toEqual([]);
  });

  test.each(["filemill_app", "filemill_system"])("has a policy for %s", async (role) => {
    const unpoliced = `${TABLES} AND ${isTenants} AND NOT EXISTS (
      SELECT FROM pg_policy WHERE polrelid = pg_class.oid AND '${role}'::regrole = ANY (polroles))`;
    expect(await names(unpoliced)).toEqual([]);
  });

  test("has no policy for filemill_app that does not compare the tenant", async () => {
    const loose = `SELECT polrelid::regclass || '.' || polname AS name FROM pg_policy
      WHERE ('filemill_app'::regrole = ANY (polroles) OR 0 = ANY (polroles))
        AND NOT (pg_get_expr(polqual, polrelid) ~ '^\\((tenant_id|id) = \\( SELECT \\(current_setting\\(''filemill.tenant''')`;
    expect(await names(loose)).toEqual([]);
  });
});

test("views are checked as whoever reads them, not as their owner", async () => {
  expect(
    await names(`SELECT relname AS name FROM pg_class WHERE relnamespace = 'filemill'::regnamespace AND relkind = 'v'
      AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)`),
  ).toEqual([]);
});

test("the login owns nothing, inherits nothing and can't be more than the two roles that serve", async () => {
  const [login] = (
    await admin.query("SELECT rolsuper, rolinherit, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = 'filemill'")
  ).rows;
  expect(login).toEqual({ rolsuper: false, rolinherit: false, rolbypassrls: false, rolcreaterole: false, rolcreatedb: false });
  expect(await names("SELECT relname AS name FROM pg_class WHERE relowner = 'filemill'::regrole")).toEqual([]);
  expect((await names("SELECT roleid::regrole::text AS name FROM pg_auth_members WHERE member = 'filemill'::regrole")).sort()).toEqual([
    "filemill_app",
    "filemill_system",
  ]);
  const client = new pg.Client({ connectionString: db.url });
  await client.connect();
  await expect(client.query("SET ROLE filemill_owner")).rejects.toThrow("permission denied");
  await expect(client.query("SELECT FROM filemill.files")).rejects.toThrow("permission denied");
  await client.end();
});
