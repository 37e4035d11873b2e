import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import pino from "pino";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { contentsWith } from "../../test/contents-in.ts";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine } from "../../test/engine/engine.ts";
import { keysFor } from "../../test/tenant-keys.ts";
import { sql } from "../db/sql.ts";
import { StorageError } from "../errors.ts";
import { installFailpoint } from "../failpoint.ts";
import { readManifests } from "../outputs/content.ts";
import { insertFiles } from "../record/files.ts";
import { openDiskStore } from "../storage/disk.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import { createObjectStores } from "../storage/object-stores.ts";
import { createTieredStore } from "../storage/tiered-store.ts";
import { readUsage } from "../tenants/usage.ts";
import { receiveFile } from "../uploads/receive.ts";
import { openReadNotes } from "./note-reads.ts";
import { finishRestores, restoreFile } from "./restore-file.ts";
import { moveIdleFiles, type TieringOptions } from "./tiering.ts";

const DAY_MS = 86_400_000;
const never = new AbortController().signal;
const log = pino({ level: "silent" });
let clone: ClonedDatabase;
let folder: string;
let store: ObjectStore;
let tenantId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  folder = await mkdtemp(join(tmpdir(), "filemill-classes-"));
  const disk = (name: string) => openDiskStore({ folder: join(folder, name), name: "disk" });
  store = createTieredStore("disk", { hot: await disk("hot"), cold: await disk("cold"), archive: await disk("archive") });
});
afterAll(async () => {
  await store.close();
  await clone.close();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  tenantId = await openEngine(clone.database).tenant();
  await clone.database.asSystem(async (transaction) => {
    await transaction.execute(sql`UPDATE files SET status = 'deleted'`);
    await transaction.execute(sql`DELETE FROM file_walks`);
  });
});

const options = (changes: Partial<TieringOptions> = {}): TieringOptions => ({
  database: clone.database,
  stores: createObjectStores([{ store }]),
  coldAfterMs: 30 * DAY_MS,
  archiveAfterMs: 365 * DAY_MS,
  cycleMs: 0,
  log,
  ...changes,
});

async function put(ageDays: number, readDaysAgo: number | null = null, bytes = 40_000): Promise<string> {
  const contents = contentsWith(store, keysFor(clone.database));
  const body = Readable.from([Buffer.alloc(bytes, "c")], { objectMode: false });
  const file = await receiveFile(body, { contents, tenantId, name: "f", metadata: {}, maxBytes: 2 ** 30 });
  await clone.database.asTenant(tenantId, (transaction) => insertFiles(transaction, [file]));
  await clone.database.asSystem((transaction) =>
    transaction.execute(sql`
      UPDATE files SET created_at = now() - ${ageDays} * interval '1 day', last_read_at = now() - ${readDaysAgo}::int * interval '1 day'
      WHERE id = ${file.id}::uuid`),
  );
  return file.id;
}

async function classOf(id: string): Promise<{ row: string | undefined; store: string | undefined; bytes: number }> {
  const [row] = await clone.database.asSystem((transaction) =>
    transaction.query<{ storageClass: string; key: string | null }>(sql`
      SELECT storage_class AS "storageClass", object_key AS key FROM files LEFT JOIN segments ON file_id = files.id WHERE files.id = ${id}::uuid`),
  );
  const [manifest] = await clone.database.asSystem((transaction) => readManifests(transaction, tenantId, [id]));
  if (!manifest) throw new Error("the file is gone");
  const content = await contentsWith(store, keysFor(clone.database)).bytes(manifest);
  return {
    row: row?.storageClass,
    store: (await store.head(row?.key ?? "none"))?.storageClass,
    bytes: content.filter((byte) => byte === "c".charCodeAt(0)).length,
  };
}

test("files go to colder classes by age and last reading, and are read from there", async () => {
  const files = {
    young: await put(10),
    idle: await put(40),
    read: await put(40, 5),
    ancient: await put(400),
    ancientRead: await put(400, 40),
    inline: await put(400, null, 10),
  };
  expect(await moveIdleFiles(options(), never)).toEqual({ moved: 3, failed: 0 });
  expect(await classOf(files.young)).toEqual({ row: "hot", store: "hot", bytes: 40_000 });
  expect(await classOf(files.idle)).toEqual({ row: "cold", store: "cold", bytes: 40_000 });
  expect(await classOf(files.read)).toEqual({ row: "hot", store: "hot", bytes: 40_000 });
  expect(await classOf(files.ancient)).toEqual({ row: "archive", store: "archive", bytes: 40_000 });
  expect(await classOf(files.ancientRead)).toEqual({ row: "cold", store: "cold", bytes: 40_000 });
  expect(await classOf(files.inline)).toEqual({ row: "hot", store: undefined, bytes: 10 });
  expect((await readdir(join(folder, "cold", "objects"))).length).toBeGreaterThan(0);
  const { byClass } = await clone.database.asTenant(tenantId, (transaction) => readUsage(transaction, tenantId));
  expect(byClass).toEqual({
    hot: { bytes: 80_010, files: 3 },
    cold: { bytes: 80_000, files: 2 },
    archive: { bytes: 40_000, files: 1 },
  });
  expect(await moveIdleFiles(options(), never)).toEqual({ moved: 0, failed: 0 });
});

test("a class that the store lacks is the nearest warmer one", async () => {
  const id = await put(400);
  const noArchive: ObjectStore = { ...store, classes: ["hot", "cold"] };
  await moveIdleFiles(options({ stores: createObjectStores([{ store: noArchive }]) }), never);
  expect(await classOf(id)).toMatchObject({ row: "cold", store: "cold" });
});

test("a death between the objects and the row is made good by the next round", async () => {
  const id = await put(40);
  const faults = installFailpoint("class-after-objects-before-row:error");
  await expect(moveIdleFiles(options(), never)).rejects.toThrow("class-after-objects-before-row");
  faults.remove();
  expect(await classOf(id)).toEqual({ row: "hot", store: "cold", bytes: 40_000 });
  await moveIdleFiles(options(), never);
  expect(await classOf(id)).toEqual({ row: "cold", store: "cold", bytes: 40_000 });
});

test("ten walks at once move each file once", async () => {
  for (let index = 0; index < 5; index++) await put(40);
  const walks = await Promise.all(Array.from({ length: 10 }, () => moveIdleFiles(options({ cycleMs: DAY_MS }), never)));
  expect(walks.filter((figures) => figures !== undefined)).toEqual([{ moved: 5, failed: 0 }]);
});

test("a restored file is hot, and stays so though it is old", async () => {
  const id = await put(400);
  await moveIdleFiles(options(), never);
  const services = { database: clone.database, stores: createObjectStores([{ store }]) };
  expect(await restoreFile(services, { tenantId, id, actor: "key_test" })).toBe("done");
  expect(await classOf(id)).toEqual({ row: "hot", store: "hot", bytes: 40_000 });
  await moveIdleFiles(options(), never);
  expect(await classOf(id)).toMatchObject({ row: "hot" });
});

test("where the store needs hours, the file says so until it is there", async () => {
  const id = await put(400);
  await moveIdleFiles(options(), never);
  let asked = 0;
  const slow: ObjectStore = {
    ...store,
    setClass: async (key, storageClass) => (++asked < 3 ? "under_way" : await store.setClass(key, storageClass)),
  };
  const services = { database: clone.database, stores: createObjectStores([{ store: slow }]), log };
  expect(await restoreFile(services, { tenantId, id, actor: "key_test" })).toBe("under_way");
  expect(await classOf(id)).toMatchObject({ row: "archive" });
  expect([await finishRestores(services), await finishRestores(services), await finishRestores(services)]).toEqual([0, 1, 0]);
  expect(await classOf(id)).toEqual({ row: "hot", store: "hot", bytes: 40_000 });
});

test("a store that is away keeps no other file from being moved", async () => {
  const [first, second] = [await put(40), await put(41)];
  let asked = 0;
  const away: ObjectStore = {
    ...store,
    async setClass(key, storageClass) {
      if (++asked === 1) throw new StorageError("unavailable", "the store is away");
      return await store.setClass(key, storageClass);
    },
  };
  expect(await moveIdleFiles(options({ stores: createObjectStores([{ store: away }]) }), never)).toEqual({ moved: 1, failed: 1 });
  expect([(await classOf(first)).row, (await classOf(second)).row].sort()).toEqual(["cold", "hot"]);
});

test("readings are noted to the hour, once for all that a process saw", async () => {
  const [read, other] = [await put(40), await put(40)];
  const reads = openReadNotes({ database: clone.database, log });
  for (let times = 0; times < 1_000; times++) reads.noted(read);
  await reads.close();
  const rows = await clone.database.asSystem((transaction) =>
    transaction.query<{ id: string; hour: boolean }>(sql`
      SELECT id, last_read_at = date_trunc('hour', now()) AS hour FROM files WHERE last_read_at IS NOT NULL AND tenant_id = ${tenantId}::uuid`),
  );
  expect(rows).toEqual([{ id: read, hour: true }]);
  expect(await moveIdleFiles(options(), never)).toEqual({ moved: 1, failed: 0 });
  expect((await classOf(other)).row).toBe("cold");
});
