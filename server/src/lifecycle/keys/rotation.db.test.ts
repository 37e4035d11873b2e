import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pino } from "pino";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { contentsWith } from "../../../test/contents-in.ts";
import { cloneDatabase, type ClonedDatabase } from "../../../test/database.ts";
import { createMemoryStore } from "../../../test/memory-store.ts";
import { sql } from "../../db/sql.ts";
import { readManifests } from "../../outputs/content.ts";
import { insertFiles } from "../../record/files.ts";
import { createContentKeys } from "../../storage/keys/content-keys.ts";
import { createFileProvider, makeRootKeyFile } from "../../storage/keys/file-provider.ts";
import type { KeyProvider } from "../../storage/keys/key-provider.ts";
import { createTenantKeys, type TenantKeys } from "../../storage/keys/tenant-keys.ts";
import { tenantKeyRows } from "../../tenants/tenant-key-rows.ts";
import { receiveFile } from "../../uploads/receive.ts";
import { RETIRED_DAYS } from "./destroy-keys.ts";
import { createKeyAdmin } from "./key-admin.ts";
import { runKeyRound } from "./key-rounds.ts";
import { readKeyStatus } from "./key-status.ts";

const log = pino({ level: "silent" });
const store = createMemoryStore();

let clone: ClonedDatabase;
let folder: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  folder = await mkdtemp(join(tmpdir(), "filemill-rotation-"));
});
afterAll(async () => {
  await clone.close();
  await rm(folder, { recursive: true });
});

let tenantId: string;
let provider: KeyProvider;
let rootKeyFile: string;
beforeEach(async () => {
  tenantId = uuidv7();
  rootKeyFile = join(folder, tenantId);
  await makeRootKeyFile(rootKeyFile);
  provider = createFileProvider(rootKeyFile);
  await clone.database.asSystem(async (transaction) => {
    await transaction.execute(sql`DELETE FROM files`);
    await transaction.execute(sql`DELETE FROM object_keys`);
    await transaction.execute(sql`DELETE FROM tenant_keys`);
    await transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${tenantId}::uuid, ${tenantId})`);
  });
});

/** As a process that has just started. */
const openKeys = (): TenantKeys => createTenantKeys({ provider, rows: tenantKeyRows(clone.database) });
const contents = (keys: TenantKeys = openKeys()) => contentsWith(store, keys);
const admin = () => createKeyAdmin({ database: clone.database, provider, rounds: { wake: () => {} } });
const round = () => runKeyRound({ database: clone.database, provider, contentKeys: createContentKeys(openKeys()), log });
const status = () => readKeyStatus({ database: clone.database, provider });
const operator = () => ({ tenantId, actor: "key_operator" });

async function put(content: Buffer, keys?: TenantKeys): Promise<string> {
  const body = Readable.from([content], { objectMode: false });
  const file = await receiveFile(body, { contents: contents(keys), tenantId, name: "a", metadata: {}, maxBytes: 2 ** 30 });
  await clone.database.asTenant(tenantId, (transaction) => insertFiles(transaction, [file]));
  return file.id;
}

async function get(id: string, keys?: TenantKeys): Promise<Buffer> {
  const [manifest] = await clone.database.asTenant(tenantId, (transaction) => readManifests(transaction, tenantId, [id]));
  if (manifest === undefined) throw new Error(`there is no file ${id}`);
  return await buffer(await contents(keys).read(manifest));
}

const rows = <Row>(statement: ReturnType<typeof sql>) => clone.database.asSystem((transaction) => transaction.query<Row>(statement));
const versionsInUse = async () =>
  (await rows<{ version: number }>(sql`SELECT DISTINCT kek_version AS version FROM object_keys ORDER BY 1`)).map(({ version }) => version);
const bodies = async () =>
  Promise.all((await Array.fromAsync(store.list(""))).map(async ({ key }) => (await buffer(await store.get(key))).toString("hex")));

describe("a tenant's key that is rotated", () => {
  test("opens everything at every moment, and in the end everything lies under the new version", async () => {
    const small = randomBytes(100);
    const large = randomBytes(100_000);
    const ids = [await put(small), await put(large), ...(await Promise.all(Array.from({ length: 5 }, () => put(small))))];
    const before = await bodies();
    await admin().rotateTenant(operator());
    expect((await get(ids[1] ?? "")).equals(large)).toBe(true);
    const later = await put(large);
    expect(await versionsInUse()).toEqual([1, 2]);
    expect(await status()).toMatchObject({ retiredVersions: 1, objectKeysToRewrap: 7 });
    await round();
    expect(await versionsInUse()).toEqual([2]);
    expect(await status()).toMatchObject({ retiredVersions: 1, objectKeysToRewrap: 0 });
    for (const id of ids.slice(2)) expect((await get(id)).equals(small)).toBe(true);
    expect((await get(ids[0] ?? "")).equals(small) && (await get(later)).equals(large)).toBe(true);
    // No object was touched.
    expect((await bodies()).slice(0, before.length)).toEqual(before);
  });

  test("is told of in the tenant's events and in the audit log", async () => {
    await put(randomBytes(1));
    await admin().rotateTenant(operator());
    expect(await rows(sql`SELECT type FROM events WHERE tenant_id = ${tenantId}::uuid AND type = 'key.rotated'`)).toHaveLength(1);
    expect(await rows(sql`SELECT actor, detail FROM audit_entries WHERE tenant_id = ${tenantId}::uuid AND action = 'key.rotate'`)).toEqual([
      { actor: "key_operator", detail: { version: 2 } },
    ]);
  });

  test("becomes one new version, however many rotate it at once", async () => {
    await put(randomBytes(1));
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => admin().rotateTenant(operator())));
    const done = results.filter(({ status: end }) => end === "fulfilled").length;
    const [row] = await rows<{ version: number; current: number }>(
      sql`SELECT max(version) AS version, count(*) FILTER (WHERE retired_at IS NULL) AS current FROM tenant_keys`,
    );
    expect(row).toEqual({ version: done + 1, current: 1 });
    for (const result of results) if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "conflict" });
  });

  test("is re-wrapped by many rounds at once without harm", async () => {
    const ids = await Promise.all(Array.from({ length: 40 }, (_unused, index) => put(Buffer.from(`file ${index}`))));
    await admin().rotateTenant(operator());
    await Promise.all(Array.from({ length: 4 }, round));
    await round();
    expect(await versionsInUse()).toEqual([2]);
    for (const [index, id] of ids.entries()) expect((await get(id)).toString()).toBe(`file ${index}`);
  });

  test("goes on where one data key was damaged, and leaves that one", async () => {
    const ids = [await put(randomBytes(5)), await put(randomBytes(5))];
    await rows(sql`UPDATE object_keys SET wrapped_dek = ${randomBytes(60)} WHERE object_id = ${ids[0]}::uuid`);
    await admin().rotateTenant(operator());
    await round();
    expect(await status()).toMatchObject({ objectKeysToRewrap: 1 });
    await expect(get(ids[0] ?? "")).rejects.toMatchObject({ code: "damaged" });
    expect(await get(ids[1] ?? "")).toHaveLength(5);
  });

  test("that does not exist is made when it is needed, not by a rotation", async () => {
    await admin().rotateTenant(operator());
    expect(await status()).toMatchObject({ tenants: 0 });
    await expect(admin().rotateTenant({ ...operator(), tenantId: uuidv7() })).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("a retired version", () => {
  const age = (days: number) =>
    rows(sql`UPDATE tenant_keys SET retired_at = now() - ${days} * interval '1 day' WHERE retired_at IS NOT NULL`);
  const versions = async () =>
    (await rows<{ version: number }>(sql`SELECT version FROM tenant_keys ORDER BY 1`)).map(({ version }) => version);

  test("is destroyed when nothing needs it and its time is over, and not before", async () => {
    const id = await put(randomBytes(10));
    await admin().rotateTenant(operator());
    await round();
    await age(RETIRED_DAYS - 1);
    await round();
    expect(await versions()).toEqual([1, 2]);
    await age(RETIRED_DAYS + 1);
    await round();
    expect(await versions()).toEqual([2]);
    expect(await get(id)).toHaveLength(10);
    expect(await rows(sql`SELECT FROM audit_entries WHERE tenant_id = ${tenantId}::uuid AND action = 'key.destroy'`)).toHaveLength(1);
  });

  test("stays while a row needs it, and who comes with one too late fails instead of storing what nobody can open", async () => {
    const id = await put(randomBytes(10));
    // Has the old version, and comes back late with an object under it.
    const slow = openKeys();
    const late = await receiveFile(Readable.from([randomBytes(20)]), {
      contents: contents(slow),
      tenantId,
      name: "late",
      metadata: {},
      maxBytes: 100,
    });
    await rows(sql`UPDATE object_keys SET wrapped_dek = ${randomBytes(60)} WHERE object_id = ${id}::uuid`);
    await admin().rotateTenant(operator());
    await age(RETIRED_DAYS + 1);
    await round();
    expect(await versions()).toEqual([1, 2]);
    await rows(sql`DELETE FROM inline_objects WHERE file_id = ${id}::uuid`);
    expect(await rows(sql`SELECT FROM object_keys`)).toEqual([]);
    await round();
    expect(await versions()).toEqual([2]);
    const recording = clone.database.asTenant(tenantId, (transaction) => insertFiles(transaction, [late]));
    await expect(recording).rejects.toMatchObject({ code: "23503" });
  });
});

describe("the root key that is rotated", () => {
  test("re-wraps tenants' keys and nothing else; the old one may then go", async () => {
    const id = await put(randomBytes(30));
    const [dek] = await rows(sql`SELECT * FROM object_keys`);
    const before = await status();
    await admin().rotateRoot(operator());
    expect(await get(id)).toHaveLength(30);
    expect(await status()).toMatchObject({ tenantKeysToRewrap: 1, usedRootVersions: [before.rootVersion] });
    await round();
    const after = await status();
    expect(after).toMatchObject({ tenantKeysToRewrap: 0, usedRootVersions: [after.rootVersion] });
    expect(after.rootVersion).not.toBe(before.rootVersion);
    expect(await rows(sql`SELECT * FROM object_keys`)).toEqual([dek]);
    const [newest = ""] = (await readFile(rootKeyFile, "utf8")).split("\n");
    await rm(rootKeyFile);
    await writeFile(rootKeyFile, newest, { mode: 0o400 });
    expect(await get(id)).toHaveLength(30);
  });

  test("stays in its file with the rights that this had", async () => {
    await admin().rotateRoot(operator());
    expect((await stat(rootKeyFile)).mode & 0o777).toBe(0o400);
    expect((await readFile(rootKeyFile, "utf8")).trim().split("\n")).toHaveLength(2);
  });

  test("is found by processes that were running before", async () => {
    const running = openKeys();
    const id = await put(randomBytes(30), running);
    const other = createFileProvider(rootKeyFile);
    await other.rotate();
    await round();
    expect(await get(id, running)).toHaveLength(30);
    expect(await get(await put(randomBytes(7), running), openKeys())).toHaveLength(7);
  });

  test("that is away makes everything unavailable, and loses nothing", async () => {
    const id = await put(randomBytes(30));
    const text = await readFile(rootKeyFile, "utf8");
    await rm(rootKeyFile);
    // A process that has read it before goes on; this one has just started.
    provider = createFileProvider(rootKeyFile);
    await expect(get(id)).rejects.toMatchObject({ code: "unavailable" });
    await expect(put(randomBytes(5))).rejects.toMatchObject({ code: "unavailable" });
    await expect(admin().rotateRoot(operator())).rejects.toMatchObject({ code: "conflict" });
    await writeFile(rootKeyFile, text, { mode: 0o400 });
    expect(await get(id)).toHaveLength(30);
  });
});
