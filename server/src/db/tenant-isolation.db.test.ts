import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";

const MINE = "00000000-0000-7000-8000-00000000000a";
const FOREIGN = "00000000-0000-7000-8000-00000000000b";

/** Values that satisfy the checks of columns, where the type alone does not. TENANT stands for the row's own. */
const VALUES: Readonly<Record<string, string>> = {
  "api_keys.secret_sha256": "decode(repeat('00', 32), 'hex')",
  "api_keys.role": "'user'",
  "files.sha256": "decode(repeat('00', 32), 'hex')",
  "files.origin": "'upload'",
  "files.status": "'stored'",
  "segments.object_key": "'TENANT/' || gen_random_uuid()",
  "upload_segments.object_key": "'TENANT/' || gen_random_uuid()",
  "job_stages.kind": "'map'",
  "tasks.kind": "'map'",
  "tasks.status": "'ready'",
  "item_exceptions.status": "'dead'",
  "cached_results.key": "sha256(gen_random_uuid()::text::bytea)",
  "source_items.identity": "sha256(gen_random_uuid()::text::bytea)",
  "file_sources.identity": "sha256(gen_random_uuid()::text::bytea)",
  "damaged_files.kind": "'damaged'",
  "schedules.missed": "'skip'",
  "schedules.overlap": "'skip'",
  "job_waits.policy": "'completed'",
};
const BY_TYPE: Readonly<Record<string, string>> = {
  uuid: "gen_random_uuid()",
  text: "gen_random_uuid()::text",
  integer: "1",
  smallint: "1",
  bigint: "1",
  bytea: "decode('00', 'hex')",
  jsonb: "'{}'",
  boolean: "false",
  "timestamp with time zone": "now()",
};

interface Column {
  readonly table: string;
  readonly column: string;
  readonly type: string;
}

let db: ClonedDatabase;
let admin: pg.Client;
let tables: string[];
beforeAll(async () => {
  db = await cloneDatabase();
  admin = new pg.Client({ connectionString: db.adminUrl });
  await admin.connect();
  await admin.query("SET search_path = filemill");
  await admin.query("SET session_replication_role = replica");
  await admin.query("INSERT INTO tenants (id, name) VALUES ($1, 'mine'), ($2, 'foreign')", [MINE, FOREIGN]);
  tables = await fillEveryTable();
});
afterAll(async () => {
  await admin.end();
  await db.close();
});

/** One row of each tenant in every table that has tenants, made from the catalogue, so that a new table is covered by itself. */
async function fillEveryTable(): Promise<string[]> {
  const { rows } = await admin.query<Column>(`
    SELECT relname AS table, attname AS column, format_type(atttypid, atttypmod) AS type
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'filemill'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
      AND attnotnull AND NOT atthasdef AND attidentity = ''`);
  const names = [...new Set(rows.filter((row) => row.column === "tenant_id").map((row) => row.table))];
  for (const table of names) {
    const columns = rows.filter((row) => row.table === table);
    for (const tenant of [MINE, FOREIGN]) {
      const values = columns.map((column) => (column.column === "tenant_id" ? `'${tenant}'` : valueFor(column).replace("TENANT", tenant)));
      await admin.query(`INSERT INTO ${table} (${columns.map((column) => column.column).join(", ")}) VALUES (${values.join(", ")})`);
    }
  }
  return names;
}

function valueFor({ table, column, type }: Column): string {
  const value = VALUES[`${table}.${column}`] ?? (type.endsWith("[]") ? "'{}'" : BY_TYPE[type]);
  if (value === undefined) throw new Error(`Say in VALUES or BY_TYPE what to put into ${table}.${column} (${type}).`);
  return value;
}

async function asMine<T>(work: (client: pg.Client, table: string) => Promise<T>): Promise<[string, T][]> {
  const client = new pg.Client({ connectionString: db.url });
  await client.connect();
  const results: [string, T][] = [];
  for (const table of tables) {
    await client.query(`BEGIN; SET LOCAL ROLE filemill_app; SET LOCAL search_path = filemill; SET LOCAL filemill.tenant = '${MINE}'`);
    results.push([table, await work(client, table)]);
    await client.query("ROLLBACK");
  }
  await client.end();
  return results;
}

/** 42501: no such right at all, or a row that the policy refuses. */
const denied = (error: unknown): boolean => error instanceof pg.DatabaseError && error.code === "42501";

test("a tenant sees its own row of every table, and no other", async () => {
  expect(tables.length).toBeGreaterThan(10);
  for (const [table, seen] of await asMine(async (client, name) => (await client.query(`SELECT tenant_id FROM ${name}`)).rows)) {
    expect([table, seen]).toEqual([table, [{ tenant_id: MINE }]]);
  }
});

test("a tenant changes and deletes nothing of another in any table", async () => {
  for (const verb of ["UPDATE # SET tenant_id = tenant_id", "DELETE FROM #"]) {
    const changed = await asMine(async (client, name) => {
      try {
        return (await client.query(`${verb.replace("#", name)} WHERE tenant_id = '${FOREIGN}'`)).rowCount;
      } catch (error) {
        if (denied(error)) return 0;
        throw error;
      }
    });
    expect(changed.filter(([, rows]) => rows !== 0)).toEqual([]);
  }
});

test("a tenant gives no row of any table to another", async () => {
  const given = await asMine(async (client, name) => {
    try {
      return (await client.query(`UPDATE ${name} SET tenant_id = '${FOREIGN}'`)).rowCount;
    } catch (error) {
      if (denied(error)) return "denied";
      throw error;
    }
  });
  expect(given.filter(([, result]) => result !== "denied")).toEqual([]);
});

/** On a connection that never had the setting it is unknown; on one that had it in an earlier transaction it is empty. */
test.each([
  ["new", ""],
  ["used before", `BEGIN; SET LOCAL filemill.tenant = '${MINE}'; COMMIT`],
])("a transaction that names no tenant sees no row of any table, on a connection that is %s", async (_case, before) => {
  for (const table of tables) {
    const client = new pg.Client({ connectionString: db.url });
    await client.connect();
    try {
      if (before !== "") await client.query(before);
      await client.query("BEGIN; SET LOCAL ROLE filemill_app");
      await expect(client.query(`SELECT FROM filemill.${table}`)).rejects.toThrow(
        /unrecognized configuration parameter|invalid input syntax for type uuid/,
      );
    } finally {
      await client.end();
    }
  }
});
