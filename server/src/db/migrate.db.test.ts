import { cp, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { migrate, MigrationError, MIGRATIONS_FOLDER, readMigrations } from "./migrate.ts";
import { openDatabase } from "./database.ts";
import { requireMigrated } from "./require-migrated.ts";
import { sql } from "./sql.ts";

let db: ClonedDatabase;
let folder: string;
beforeAll(async () => {
  db = await cloneDatabase();
  folder = await mkdtemp(join(tmpdir(), "filemill-migrations-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await db.close();
});

let count = 0;
/** A copy of our migrations and one that follows them. */
async function migrationsAnd(text: string): Promise<{ path: string; last: string }> {
  const path = join(folder, String(++count));
  await cp(MIGRATIONS_FOLDER, path, { recursive: true });
  const last = `${String(((await readMigrations(path)).at(-1)?.number ?? 0) + 1).padStart(4, "0")}-last.sql`;
  await writeFile(join(path, last), text);
  return { path, last };
}

/** An empty database of the test's own. */
async function withEmpty<T>(work: (url: string) => Promise<T>): Promise<T> {
  const { adminUrl } = inject("cluster");
  const name = `filemill_empty_${++count}`;
  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  try {
    await admin.query(`CREATE DATABASE ${name}`);
    const url = new URL(adminUrl);
    url.pathname = `/${name}`;
    return await work(url.href);
  } finally {
    await admin.query(`DROP DATABASE IF EXISTS ${name}`);
    await admin.end();
  }
}

test("eight migrators at once apply each file once", async () => {
  const files = (await readMigrations(MIGRATIONS_FOLDER)).map((migration) => migration.file);
  await withEmpty(async (url) => {
    const applied = await Promise.all(Array.from({ length: 8 }, () => migrate({ url })));
    expect(applied.flat().sort()).toEqual(files);
    expect(await migrate({ url })).toEqual([]);
  });
});

test("a file that fails is rolled back whole, named with its line, and applied when mended", async () => {
  const { path, last } = await migrationsAnd("CREATE TABLE filemill.half (id int);\nSELECT nonsense;\n");
  const failure = migrate({ url: db.adminUrl, folder: path });
  await expect(failure).rejects.toThrow(MigrationError);
  await expect(failure).rejects.toThrow(`${last} failed and was rolled back: column "nonsense" does not exist (line 2)`);
  await writeFile(join(path, last), "CREATE TABLE filemill.half (id int);");
  expect(await migrate({ url: db.adminUrl, folder: path })).toEqual([last]);

  await writeFile(join(path, last), "CREATE TABLE filemill.half (id bigint);");
  await expect(migrate({ url: db.adminUrl, folder: path })).rejects.toMatchObject({
    code: "changed",
    message: expect.stringContaining(last),
  });

  await expect(migrate({ url: db.adminUrl })).rejects.toMatchObject({ code: "newer_database", message: expect.stringContaining(last) });
  await expect(requireMigrated(db.database)).resolves.toBeUndefined();
});

test("a migrator that finds another giving the same right waits for it and goes on", async () => {
  await withEmpty(async (url) => {
    const other = new pg.Client({ connectionString: url });
    const watcher = new pg.Client({ connectionString: url });
    await other.connect();
    await watcher.connect();
    await other.query("BEGIN");
    await other.query(`GRANT CREATE ON DATABASE ${new URL(url).pathname.slice(1)} TO filemill_owner`);
    const applied = migrate({ url });
    applied.catch(() => undefined);
    const waiting = async () =>
      (await watcher.query("SELECT FROM pg_stat_activity WHERE query LIKE 'GRANT CREATE%' AND wait_event_type = 'Lock'")).rowCount;
    await expect.poll(waiting, { timeout: 10_000 }).toBe(1);
    await other.query("COMMIT");
    expect(await applied).not.toEqual([]);
    await other.end();
    await watcher.end();
  });
});

test("what migrations make belongs to filemill_owner", async () => {
  const owners = await db.database.asSystem((transaction) =>
    transaction.query(sql`SELECT DISTINCT relowner::regrole::text AS owner FROM pg_class WHERE relnamespace = 'filemill'::regnamespace`),
  );
  expect(owners).toEqual([{ owner: "filemill_owner" }]);
});

test("a number stands for one file", async () => {
  const { path, last } = await migrationsAnd("SELECT 1");
  await writeFile(join(path, last.replace("last", "other")), "SELECT 1");
  await expect(readMigrations(path)).rejects.toMatchObject({ code: "bad_folder" });
});

test("a file whose number is lower than one that was applied is applied all the same", async () => {
  const { path, last } = await migrationsAnd("SELECT 1");
  const late = `${String(Number(last.slice(0, 4)) + 900).padStart(4, "0")}-late.sql`;
  await writeFile(join(path, late), "SELECT 1");
  await withEmpty(async (url) => {
    await rename(join(path, last), join(path, "kept"));
    expect(await migrate({ url, folder: path })).toContain(late);
    await rename(join(path, "kept"), join(path, last));
    expect(await migrate({ url, folder: path })).toEqual([last]);
    expect(await migrate({ url, folder: path })).toEqual([]);
  });
});

test("a process refuses a database that lacks a migration", async () => {
  const { path, last } = await migrationsAnd("SELECT 1");
  await writeFile(
    join(
      path,
      last.replace("last", "later").replace(/^\d+/, (digits) => String(Number(digits) + 1).padStart(4, "0")),
    ),
    "SELECT 1",
  );
  await expect(requireMigrated(db.database, path)).rejects.toMatchObject({ code: "behind" });
  await withEmpty(async (url) => {
    const empty = openDatabase({ url, applicationName: "test" });
    await expect(requireMigrated(empty)).rejects.toMatchObject({ code: "behind" });
    await empty.close();
  });
});

test("a user that may create roles but is no superuser can migrate and serve", async () => {
  const admin = new pg.Client({ connectionString: db.adminUrl });
  await admin.connect();
  await admin.query("CREATE ROLE ann LOGIN CREATEROLE PASSWORD 'ann'");
  // As if ann had made them: on a fresh server it is the first migrator who does.
  await admin.query("GRANT filemill_owner, filemill_app, filemill_system TO ann WITH ADMIN TRUE, SET FALSE, INHERIT FALSE");
  try {
    await withEmpty(async (url) => {
      const name = new URL(url).pathname.slice(1);
      await admin.query(`ALTER DATABASE ${name} OWNER TO ann`);
      const own = new URL(url);
      own.username = "ann";
      own.password = "ann";
      expect(await migrate({ url: own.href })).not.toEqual([]);
      const database = openDatabase({ url: own.href, applicationName: "test" });
      await expect(requireMigrated(database)).resolves.toBeUndefined();
      await database.close();
    });
    const stranger = new URL(db.adminUrl);
    stranger.username = "ann";
    stranger.password = "ann";
    await admin.query("REVOKE filemill_owner FROM ann CASCADE; ALTER ROLE ann NOCREATEROLE");
    await expect(migrate({ url: stranger.href })).rejects.toMatchObject({ code: "not_permitted" });
  } finally {
    await admin.query("REVOKE filemill_owner, filemill_app, filemill_system FROM ann CASCADE; DROP OWNED BY ann; DROP ROLE ann");
    await admin.end();
  }
});
