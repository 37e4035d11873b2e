import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openDatabase } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { ConfigError } from "../errors.ts";
import { verifyKey } from "./api-keys.ts";
import { bootstrap } from "./bootstrap.ts";
import { newKeyText } from "./key-format.ts";

let db: ClonedDatabase;
let dataFolder: string;
let keyFile: string;
beforeEach(async () => {
  db = await cloneDatabase();
  dataFolder = await mkdtemp(join(tmpdir(), "filemill-bootstrap-"));
  keyFile = join(dataFolder, "admin.key");
});
afterEach(async () => {
  await rm(dataFolder, { recursive: true });
  await db.close();
});

const keyFileText = async () => (await readFile(keyFile, "utf8")).trim();
const countKeys = async () => (await db.database.asSystem((transaction) => transaction.query(sql`SELECT FROM api_keys`))).length;

test("the first start makes the tenant and a key that works, in a file for its owner only", async () => {
  const first = await bootstrap(db.database, { dataFolder });
  expect(first).toEqual({ tenantId: expect.any(String), keyFile, newKey: await keyFileText() });
  expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
  expect(await verifyKey(db.database, await keyFileText())).toMatchObject({ tenantId: first.tenantId, role: "operator" });
  expect(await readdir(dataFolder)).toEqual(["admin.key"]);
});

test("later starts change nothing and show nothing", async () => {
  const { tenantId, newKey } = await bootstrap(db.database, { dataFolder });
  expect(await bootstrap(db.database, { dataFolder })).toEqual({ tenantId, keyFile, newKey: undefined });
  expect(await keyFileText()).toBe(newKey);
  expect(await countKeys()).toBe(1);
});

test("ten starts at once make one key, and one of them shows it", async () => {
  const databases = Array.from({ length: 10 }, () => openDatabase({ url: db.url, applicationName: "test", maxConnections: 1 }));
  const results = await Promise.all(databases.map((database) => bootstrap(database, { dataFolder })));
  await Promise.all(databases.map((database) => database.close()));
  expect(results.filter((result) => result.newKey !== undefined)).toHaveLength(1);
  expect(new Set(results.map((result) => result.tenantId)).size).toBe(1);
  expect(await countKeys()).toBe(1);
  expect(await verifyKey(db.database, await keyFileText())).toBeDefined();
});

test("killed after the file and before the commit, the next start makes that key good", async () => {
  const text = newKeyText();
  await writeFile(keyFile, `${text}\n`, { mode: 0o600 });
  expect(await bootstrap(db.database, { dataFolder })).toMatchObject({ newKey: text });
  expect(await verifyKey(db.database, text)).toBeDefined();
});

test("killed while the file was written, the next start writes it whole and for its owner only", async () => {
  await writeFile(`${keyFile}.new`, "fml_live_ha", { mode: 0o644 });
  await bootstrap(db.database, { dataFolder });
  expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
  expect(await verifyKey(db.database, await keyFileText())).toBeDefined();
});

test("a revoked first key does not come back from its file, and a removed file is not made again", async () => {
  const { newKey } = await bootstrap(db.database, { dataFolder });
  await db.database.asSystem((transaction) => transaction.execute(sql`UPDATE api_keys SET revoked_at = now()`));
  await bootstrap(db.database, { dataFolder });
  expect(await verifyKey(db.database, newKey ?? "")).toBeUndefined();
  await rm(keyFile);
  expect(await bootstrap(db.database, { dataFolder })).toMatchObject({ keyFile: undefined, newKey: undefined });
  expect(await readdir(dataFolder)).toEqual([]);
});

test("a chosen key works from then on, beside earlier ones, and no file is written", async () => {
  const [one, two] = [newKeyText(), newKeyText()];
  for (const chosenKey of [one, one, two]) {
    expect(await bootstrap(db.database, { dataFolder, chosenKey })).toMatchObject({ keyFile: undefined, newKey: undefined });
  }
  expect(await countKeys()).toBe(2);
  expect(await verifyKey(db.database, one)).toBeDefined();
  expect(await verifyKey(db.database, two)).toBeDefined();
  expect(await readdir(dataFolder)).toEqual([]);
});

test("what is no key can't be chosen, and the complaint does not repeat it", async () => {
  const attempt = bootstrap(db.database, { dataFolder, chosenKey: "hunter2" });
  await expect(attempt).rejects.toThrow(ConfigError);
  await expect(attempt).rejects.not.toThrow("hunter2");
  expect(await countKeys()).toBe(0);
});
