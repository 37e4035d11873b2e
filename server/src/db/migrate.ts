import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { failpoint } from "../failpoint.ts";
import { createRoles, type LoginRole } from "./roles.ts";

/** The folder of the numbered files that belong to this version of the code. */
export const MIGRATIONS_FOLDER = fileURLToPath(new URL("../../migrations", import.meta.url));

/** Measured against 15 and later: security_invoker views are what 14 lacks. */
const MIN_SERVER_VERSION = 150_000;
const FILE_NAME = /^(\d{4})-[a-z0-9-]+\.sql$/;
/** Any number that nothing else uses: the first 8 bytes of sha256("filemill migrations"), as bigint. */
const LOCK = "-1665347467203028903";

export interface Migration {
  readonly number: number;
  readonly file: string;
  readonly sql: string;
  readonly sha256: string;
}

export interface MigrateOptions {
  /** A user that may create roles, or, where the roles exist, a member of filemill_owner. */
  readonly url: string;
  readonly folder?: string;
  /** Made where it is missing; its password is left alone where it exists. */
  readonly login?: LoginRole;
}

/** Why the schema can't be brought to this version; the message says what to do. */
export class MigrationError extends Error {
  readonly code: "server_too_old" | "not_permitted" | "bad_folder" | "changed" | "newer_database" | "failed" | "behind" | "unreachable";
  constructor(code: MigrationError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "MigrationError";
    this.code = code;
  }
}

/**
 * Brings the database to this version and resolves to the names of the files that were applied now. Each file runs in a
 * transaction of its own as filemill_owner, under an advisory lock of that transaction (not of the session: that would
 * be lost behind a transaction pooler), so that any number of migrators may start at once.
 */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  const migrations = await readMigrations(options.folder ?? MIGRATIONS_FOLDER);
  const client = new pg.Client({ connectionString: options.url, application_name: "filemill-migrate" });
  client.on("error", () => undefined);
  await client.connect();
  try {
    await requireServerVersion(client);
    await makeRoles(client, options.login);
    const applied: string[] = [];
    for (;;) {
      const next = await applyNext(client, migrations);
      if (next === undefined) return applied;
      applied.push(next);
    }
  } finally {
    await client.end();
  }
}

/**
 * The files of a folder in order; each number is there once. Numbers may be missing: changes that are made side by side land in
 * any order, and a database takes each file that it lacks.
 */
export async function readMigrations(folder: string): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((name) => FILE_NAME.test(name)).sort();
  return Promise.all(
    names.map(async (file, index) => {
      const number = Number(file.slice(0, 4));
      if (names[index - 1]?.startsWith(file.slice(0, 5)) === true) {
        throw new MigrationError("bad_folder", `Migrations ${names[index - 1]} and ${file} have one number: give the later one the next.`);
      }
      const sql = await readFile(join(folder, file), "utf8");
      return { number, file, sql, sha256: createHash("sha256").update(sql).digest("hex") };
    }),
  );
}

async function requireServerVersion(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ number: number; name: string }>(
    "SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS name",
  );
  const version = rows[0];
  if (version === undefined || version.number < MIN_SERVER_VERSION) {
    throw new MigrationError("server_too_old", `PostgreSQL ${version?.name ?? "?"} is too old: version 15 or later is needed.`);
  }
}

async function makeRoles(client: pg.Client, login: LoginRole | undefined): Promise<void> {
  try {
    await createRoles(client, login);
  } catch (cause) {
    throw new MigrationError(
      "not_permitted",
      `User "${client.user ?? "?"}" can't make the roles that the schema needs (${cause instanceof Error ? cause.message : String(cause)}). ` +
        "Migrate as a superuser, or as the owner of the database with CREATEROLE.",
      { cause },
    );
  }
}

async function applyNext(client: pg.Client, migrations: readonly Migration[]): Promise<string | undefined> {
  // A migrator that stops between two statements keeps the others waiting for a minute, not for ever.
  await client.query(
    `BEGIN; SET LOCAL ROLE filemill_owner; SET LOCAL idle_in_transaction_session_timeout = 60000; SELECT pg_advisory_xact_lock(${LOCK})`,
  );
  try {
    const next = nextMigration(migrations, await readApplied(client));
    if (next) {
      await apply(client, next);
      await failpoint("migrate-before-commit");
    }
    await client.query("COMMIT");
    if (next) await failpoint("migrate-after-commit");
    return next?.file;
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}

interface AppliedMigration {
  readonly number: number;
  readonly file: string;
  readonly sha256: string;
}

/** The table lives in the schema that the first migration makes; without it nothing was applied. */
async function readApplied(client: pg.Client): Promise<AppliedMigration[]> {
  const found = await client.query<{ present: boolean }>("SELECT to_regclass('filemill.filemill_migrations') IS NOT NULL AS present");
  if (found.rows[0]?.present !== true) return [];
  const { rows } = await client.query<AppliedMigration>("SELECT number, file, sha256 FROM filemill.filemill_migrations ORDER BY number");
  return rows;
}

/** The first file that the database lacks, or undefined. Throws where the database and the files have parted. */
function nextMigration(migrations: readonly Migration[], applied: readonly AppliedMigration[]): Migration | undefined {
  const files = new Map(migrations.map((migration) => [migration.number, migration]));
  for (const done of applied) {
    const known = files.get(done.number);
    if (!known) {
      throw new MigrationError(
        "newer_database",
        `The database has migration ${done.file}, which this version of Filemill doesn't know: it was migrated by a newer one. Start that version or later.`,
      );
    }
    if (known.sha256 !== done.sha256) {
      throw new MigrationError(
        "changed",
        `Migration ${known.file} was changed after it was applied (as ${done.file}). Restore the file; put the change into a new migration.`,
      );
    }
    files.delete(done.number);
  }
  return files.values().next().value;
}

async function apply(client: pg.Client, migration: Migration): Promise<void> {
  try {
    await client.query(migration.sql);
  } catch (cause) {
    throw new MigrationError("failed", `Migration ${migration.file} failed and was rolled back: ${placeOf(cause, migration.sql)}`, {
      cause,
    });
  }
  await client.query(`
    CREATE TABLE IF NOT EXISTS filemill.filemill_migrations (
      number int PRIMARY KEY, file text NOT NULL, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
    GRANT SELECT ON filemill.filemill_migrations TO filemill_system`);
  await client.query("INSERT INTO filemill.filemill_migrations (number, file, sha256) VALUES ($1, $2, $3)", [
    migration.number,
    migration.file,
    migration.sha256,
  ]);
}

function placeOf(cause: unknown, text: string): string {
  if (!(cause instanceof pg.DatabaseError)) return String(cause);
  const line = cause.position === undefined ? "" : ` (line ${text.slice(0, Number(cause.position)).split("\n").length})`;
  return cause.message + line;
}
