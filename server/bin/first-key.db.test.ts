import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../test/database.ts";
import { bootstrap } from "../src/tenants/bootstrap.ts";
import { firstKey } from "./first-key.ts";

let db: ClonedDatabase;
let dataFolder: string;
beforeEach(async () => {
  db = await cloneDatabase();
  dataFolder = await mkdtemp(join(tmpdir(), "filemill-first-key-"));
});
afterEach(async () => {
  await rm(dataFolder, { recursive: true });
  await db.close();
});

const start = () => firstKey(dataFolder, () => bootstrap(db.database, { dataFolder }));

test("a key is shown by the first start that gets so far, and by none after it", async () => {
  await start(); // Fails behind this, on a port that is taken.
  const second = await start();
  expect(second.first.newKey).toBe((await readFile(join(dataFolder, "admin.key"), "utf8")).trim());
  await second.shown();
  expect((await start()).first.newKey).toBeUndefined();
  expect(await readdir(dataFolder)).toEqual(["admin.key"]);
});

test("a key whose file was taken away is not shown, and a new one is not made", async () => {
  await (await start()).shown();
  await rm(join(dataFolder, "admin.key"));
  expect((await start()).first).toMatchObject({ keyFile: undefined, newKey: undefined });
  expect(await readdir(dataFolder)).toEqual([]);
});
