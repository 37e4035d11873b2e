import { open, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import pg from "pg";
import pino from "pino";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine } from "../../test/engine/engine.ts";
import { openPlatform, type Platform } from "../../test/engine/platform.ts";
import { sql } from "../db/sql.ts";
import { StorageError } from "../errors.ts";
import type { ContentStore } from "../storage/content-store.ts";
import { objectPath } from "../storage/disk-layout.ts";
import { NO_FIGURES, scrub, type ScrubFigures, type ScrubOptions } from "./scrub.ts";
import { readScrub, restartScrub } from "./scrub-state.ts";

const never = new AbortController().signal;
let clone: ClonedDatabase;
let platform: Platform;
let tenantId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  platform = await openPlatform(clone.database);
});
afterAll(async () => {
  await platform.close();
  await clone.close();
});
beforeEach(async () => {
  tenantId = await openEngine(clone.database).tenant();
  await clone.database.asSystem((transaction) => transaction.execute(sql`UPDATE files SET status = 'deleted'`));
  await restartScrub(clone.database);
});

const options = (changes: Partial<ScrubOptions> = {}): ScrubOptions => ({
  database: clone.database,
  contents: platform.contents,
  cycleMs: 3_600_000,
  log: pino({ level: "silent" }),
  slowestBytesPerSecond: 2 ** 40,
  patienceMs: 1,
  ...changes,
});

const put = (name: string, bytes = 40_000) => platform.put(tenantId, name, Buffer.alloc(bytes, name));

const putMany = (files: number) => Promise.all(Array.from({ length: files }, (_unused, index) => put(`f${index}`, 10)));

async function pathOf(fileId: string): Promise<string> {
  const [row] = await clone.database.asSystem((transaction) =>
    transaction.query<{ key: string }>(sql`SELECT object_key AS key FROM segments WHERE file_id = ${fileId}::uuid`),
  );
  return objectPath(platform.storeFolder, row?.key ?? "");
}

async function flipBit(path: string, at: number): Promise<void> {
  const file = await open(path, "r+");
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 1;
  await file.write(byte, 0, 1, at);
  await file.close();
}

async function statuses(): Promise<Record<string, string>> {
  const rows = await clone.database.asSystem((transaction) =>
    transaction.query<{ name: string; status: string }>(sql`SELECT name, status FROM files WHERE tenant_id = ${tenantId}::uuid`),
  );
  return Object.fromEntries(rows.map(({ name, status }) => [name, status]));
}

async function told(): Promise<{ events: number; audits: string[] }> {
  return await clone.database.asSystem(async (transaction) => {
    const events = await transaction.query(sql`SELECT FROM events WHERE tenant_id = ${tenantId}::uuid AND type = 'file.quarantined'`);
    const audits = await transaction.query<{ action: string }>(
      sql`SELECT action FROM audit_entries WHERE tenant_id = ${tenantId}::uuid AND action LIKE 'file.%' AND actor = 'system' ORDER BY id`,
    );
    return { events: events.length, audits: audits.map(({ action }) => action) };
  });
}

test("every kind of damage is found, told once, and taken out of service; what is whole stays", async () => {
  const flipped = await Promise.all(Array.from({ length: 20 }, (_unused, index) => put(`flipped-${index}`)));
  for (const [index, id] of flipped.entries()) await flipBit(await pathOf(id), (index * 1_999) % 40_000);
  await truncate(await pathOf(await put("cut")), 20_000);
  await rm(await pathOf(await put("missing")));
  const [one, other] = [await pathOf(await put("swapped-1")), await pathOf(await put("swapped-2"))];
  await rename(one, `${one}.aside`);
  await rename(other, one);
  await rename(`${one}.aside`, other);
  const inline = await put("inline-damaged", 100);
  const admin = new pg.Client({ connectionString: clone.adminUrl });
  await admin.connect();
  await admin.query("UPDATE filemill.inline_objects SET content = set_byte(content, 60, get_byte(content, 60) # 1) WHERE file_id = $1", [
    inline,
  ]);
  await admin.end();
  await Promise.all([put("whole"), put("inline-whole", 100), put("empty", 0), put("two-segments", 70 * 2 ** 20)]);

  const figures = await scrub(options(), never);
  expect(figures).toMatchObject({ files: 29, missing: 1, damaged: 24, healed: 0, unread: 0 });
  const found = await statuses();
  for (const [name, status] of Object.entries(found)) {
    expect([name, status]).toEqual([name, /^(flipped|cut|missing|swapped|inline-damaged)/.test(name) ? "quarantined" : "stored"]);
  }
  expect(await told()).toEqual({ events: 25, audits: Array.from({ length: 25 }, () => "file.quarantine") });
  await restartScrub(clone.database);
  expect(await scrub(options(), never)).toMatchObject({ files: 29, missing: 1, damaged: 24 });
  expect((await told()).events).toBe(25);
  const state = await readScrub(clone.database, 10);
  expect(state).toMatchObject({ running: false, cycle_finished_at: expect.any(String), last_cycle: { damaged: 24 } });
  expect(state.damaged).toHaveLength(10);
});

test("a file that is right again, from a backup or a mount, comes back into service", async () => {
  const id = await put("healed");
  const path = await pathOf(id);
  const right = await readFile(path);
  await flipBit(path, 1_000);
  await scrub(options(), never);
  expect(await statuses()).toEqual({ healed: "quarantined" });
  await writeFile(path, right);
  await restartScrub(clone.database);
  expect(await scrub(options(), never)).toMatchObject({ files: 1, damaged: 0, healed: 1 });
  expect(await statuses()).toEqual({ healed: "stored" });
  expect((await readScrub(clone.database, 10)).damaged).toEqual([]);
  expect((await told()).audits).toEqual(["file.quarantine", "file.heal"]);
});

test("a store that is away damages nothing: its files are read by the next cycle", async () => {
  await put("away");
  const away = async (): Promise<never> => {
    throw new StorageError("unavailable", "the store is away");
  };
  const contents: ContentStore = { ...platform.contents, read: away };
  expect(await scrub(options({ contents }), never)).toMatchObject({ files: 1, unread: 1, damaged: 0, missing: 0 });
  expect(await statuses()).toEqual({ away: "stored" });
});

test("a cycle that was stopped goes on where it was; no file is read twice", async () => {
  await putMany(150);
  const stop = new AbortController();
  let seen = 0;
  const onChecked = () => void (++seen === 120 && stop.abort());
  expect(await scrub(options({ onChecked }), stop.signal)).toBeUndefined();
  const figures = await scrub(options(), never);
  expect(figures?.files).toBe(150);
});

test("of ten processes one reads at a time, and a cycle that has ended begins again only when it is due", async () => {
  await putMany(150);
  let checked = 0;
  const onChecked = () => void checked++;
  const turns = await Promise.all(Array.from({ length: 10 }, () => scrub(options({ onChecked }), never)));
  expect(turns.filter((figures): figures is ScrubFigures => figures !== undefined).map(({ files }) => files)).toEqual([150]);
  expect(checked).toBe(150);
  expect(await scrub(options(), never)).toBeUndefined();
  expect((await scrub(options({ cycleMs: 0 }), never))?.files).toBe(150);
});

test("the turn of a process that died is taken over when its lease ends", async () => {
  await put("f");
  await clone.database.asSystem((transaction) =>
    transaction.execute(sql`
      UPDATE file_walks SET cycle_started_at = now(), cursor = NULL, figures = ${JSON.stringify(NO_FIGURES)}::jsonb, holder = gen_random_uuid(), lease_until = now() + interval '300 milliseconds' WHERE name = 'scrub'`),
  );
  expect(await scrub(options(), never)).toBeUndefined();
  await expect.poll(() => scrub(options(), never).then((figures) => figures?.files), { timeout: 10_000 }).toBe(1);
});
