import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { sql } from "../../src/db/sql.ts";
import { MIGRATIONS_FOLDER, readMigrations } from "../../src/db/migrate.ts";
import { cloneDatabase, type ClonedDatabase } from "../database.ts";
import { openEngine } from "../engine/engine.ts";
import { openPlatform, type Platform } from "../engine/platform.ts";
import { expectConsistent } from "./consistency.ts";
import { endProcesses, startApiProcess, startMigrateProcess } from "./processes.ts";

/** Kills around the serving: migrations, the first key, garbage collection. */
const TIMEOUT_MS = 60_000;
const COLLECT = fileURLToPath(new URL("collect.ts", import.meta.url));

let clone: ClonedDatabase;
let platform: Platform;
let folder: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  platform = await openPlatform(clone.database);
  folder = await mkdtemp(join(tmpdir(), "filemill-failpoints-"));
});
afterAll(async () => {
  await endProcesses();
  await platform.close();
  await clone.close();
  await rm(folder, { recursive: true, force: true });
});

test.each(["migrate-before-commit", "migrate-after-commit"])(
  "a migration that is killed at %s is there wholly or not at all, and the next start goes on",
  async (failpoint) => {
    const admin = new pg.Client({ connectionString: inject("cluster").adminUrl });
    await admin.connect();
    const name = failpoint.replaceAll("-", "_");
    await admin.query(`CREATE DATABASE ${name}`);
    const urls = { url: urlOf(clone.url, name), adminUrl: urlOf(clone.adminUrl, name) };
    try {
      const dying = startMigrateProcess(urls, `${failpoint}:kill`);
      expect((await dying.exited).signal, dying.output()).toBe("SIGKILL");
      expect(await appliedIn(urls.adminUrl)).toHaveLength(failpoint === "migrate-before-commit" ? 0 : 1);
      const next = startMigrateProcess(urls);
      expect((await next.exited).code, next.output()).toBe(0);
      expect(await appliedIn(urls.adminUrl)).toEqual((await readMigrations(MIGRATIONS_FOLDER)).map(({ file }) => file));
    } finally {
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await admin.end();
    }
  },
  TIMEOUT_MS,
);

function urlOf(text: string, database: string): string {
  const url = new URL(text);
  url.pathname = `/${database}`;
  return url.href;
}

async function appliedIn(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query("SELECT to_regclass('filemill.filemill_migrations') IS NOT NULL AS there");
    if (!rows[0].there) return [];
    const applied = await client.query<{ file: string }>("SELECT file FROM filemill.filemill_migrations ORDER BY number");
    return applied.rows.map((row) => row.file);
  } finally {
    await client.end();
  }
}

test.each(["bootstrap-after-key-file", "bootstrap-before-commit"])(
  "a first start that is killed at %s leaves a key that the next start makes good",
  async (failpoint) => {
    const fresh = await cloneDatabase();
    const dataFolder = await mkdtemp(join(folder, "data-"));
    const at = { databaseUrl: fresh.url, dataFolder, storeFolder: join(dataFolder, "store") };
    const dying = startApiProcess(at, { failpoint: `${failpoint}:kill` });
    expect((await dying.exited).signal, dying.output()).toBe("SIGKILL");
    const api = startApiProcess(at);
    const url = `http://127.0.0.1:${await api.port}/api/v1/files`;
    const key = (await readFile(join(dataFolder, "admin.key"), "utf8")).trim();
    expect((await fetch(url, { headers: { authorization: `Bearer ${key}` } })).status).toBe(200);
    const keys = await fresh.database.asSystem((transaction) => transaction.query(sql`SELECT FROM api_keys`));
    expect(keys).toHaveLength(1);
    api.signal("SIGTERM");
    expect((await api.exited).code, api.output()).toBe(0);
    await fresh.close();
  },
  TIMEOUT_MS,
);

test(
  "a collector that is killed at any of its steps leaves what the next one finishes",
  async () => {
    await platform.worker();
    const tenantId = await openEngine(clone.database).tenant();
    const steps = {
      many: { use: "demo.many", with: { count: 2, bytes: 20_000 } },
      all: { use: "demo.count", needs: ["many"] },
    };
    const jobId = await platform.submit(tenantId, { steps, outputs: ["all"] }, [await platform.put(tenantId, "in", "in")]);
    expect(await platform.ended(jobId, 30_000)).toBe("completed");
    await platform.store.put(`${tenantId}/${uuidv7()}/0/0`, Readable.from([Buffer.from("orphan")], { objectMode: false }));
    const over = await platform.put(tenantId, "over", "x".repeat(20_000));
    await clone.database.asSystem((transaction) =>
      transaction.execute(sql`UPDATE files SET expires_at = now() - interval '1 second' WHERE id = ${over}::uuid`),
    );
    const archived = await platform.put(tenantId, "archived", "y".repeat(20_000));
    await clone.database.asSystem((transaction) =>
      transaction.execute(sql`UPDATE files SET storage_class = 'archive', restoring_since = now() WHERE id = ${archived}::uuid`),
    );
    expect(await objects()).toHaveLength(5);
    expect(await collectUntil("expire-after-rows-before-objects")).toBe("SIGKILL");
    expect(await objects()).toHaveLength(5);
    expect(await collectUntil("garbage-after-rows-before-objects")).toBe("SIGKILL");
    expect(await objects()).toHaveLength(5);
    expect(await collectUntil("garbage-after-tombstones")).toBe("SIGKILL");
    expect(await objects()).toHaveLength(5);
    expect(await collectUntil("class-after-objects-before-row")).toBe("SIGKILL");
    await expectConsistent(clone.database, platform.storeFolder);
    expect(await objects()).toHaveLength(1);
    const [row] = await clone.database.asSystem((transaction) =>
      transaction.query(sql`SELECT storage_class, restoring_since FROM files WHERE id = ${archived}::uuid`),
    );
    expect(row).toEqual({ storage_class: "hot", restoring_since: null });
    expect(await platform.outputs(tenantId, jobId)).toHaveLength(1);
  },
  TIMEOUT_MS,
);

async function collectUntil(failpoint: string): Promise<unknown> {
  const child = spawn(process.execPath, [COLLECT, clone.url, platform.storeFolder, `${failpoint}:kill`], { stdio: "inherit" });
  const [, signal] = await once(child, "exit");
  return signal;
}

async function objects(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of platform.store.list("")) keys.push(key);
  return keys;
}
