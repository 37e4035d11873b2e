import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { inject } from "vitest";
import { openDatabase, type Database } from "../src/db/database.ts";
import type {} from "./global-setup.ts";

/** A database of a test file's own, with our schema and no rows. */
export interface ClonedDatabase {
  /** As the server logs in. */
  readonly url: string;
  /** As a superuser, for looking behind row-level security. */
  readonly adminUrl: string;
  readonly database: Database;
  /** Closes `database` and drops the clone; rejects where anything else is still connected to it. */
  close(): Promise<void>;
}

/** Connections that were ended are gone from the server's list a moment later. */
const GRACE_MS = 2_000;

/** Clones the migrated template (~0.1 s). `const db = await cloneDatabase()` in beforeAll, `await db.close()` in afterAll. */
export async function cloneDatabase(): Promise<ClonedDatabase> {
  const { adminUrl, template, login } = inject("cluster");
  const name = `filemill_${randomBytes(6).toString("hex")}`;
  await asAdmin(adminUrl, (client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${template}`));
  const url = databaseUrl(adminUrl, name, login);
  const database = openDatabase({ url, applicationName: "test" });
  return {
    url,
    adminUrl: databaseUrl(adminUrl, name),
    database,
    async close() {
      await database.close();
      const leaked = await asAdmin(adminUrl, (client) => waitUntilUnused(client, name));
      await asAdmin(adminUrl, (client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`));
      if (leaked.length > 0) throw new Error(`Connections to the cloned database were left open:\n${leaked.join("\n")}`);
    },
  };
}

function databaseUrl(adminUrl: string, name: string, login?: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  if (login !== undefined) {
    const [user, password] = login.split(":");
    url.username = user ?? "";
    url.password = password ?? "";
  }
  return url.href;
}

async function asAdmin<T>(adminUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function waitUntilUnused(client: pg.Client, name: string): Promise<string[]> {
  const deadline = performance.now() + GRACE_MS;
  for (;;) {
    const { rows } = await client.query<{ line: string }>(
      "SELECT format('%s (%s): %s', application_name, state, query) AS line FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'",
      [name],
    );
    if (rows.length === 0 || performance.now() > deadline) return rows.map((row) => row.line);
    await delay(20);
  }
}
