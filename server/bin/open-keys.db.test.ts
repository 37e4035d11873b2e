import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { v7 as uuidv7 } from "uuid";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../test/database.ts";
import type { KeysConfig } from "../src/config-keys.ts";
import { sql } from "../src/db/sql.ts";
import { newRootKey } from "../src/storage/keys/local-keys.ts";
import { openKeys } from "./open-keys.ts";

let clone: ClonedDatabase;
let folder: string;
let config: KeysConfig & { readonly file: string };
beforeEach(async () => {
  clone = await cloneDatabase();
  folder = await mkdtemp(join(tmpdir(), "filemill-open-keys-"));
  config = { service: undefined, file: join(folder, "root.key"), mayMakeFile: true, text: undefined };
});
afterEach(async () => {
  await clone.close();
  await rm(folder, { recursive: true });
});

/** Starts, and uses the key of a tenant, which is made at the first use. */
async function start(given: Partial<KeysConfig> = {}, tenantId?: string): Promise<{ tenantId: string; key: string }> {
  const { tenantKeys } = await openKeys(clone.database, { ...config, ...given });
  const id = tenantId ?? uuidv7();
  if (tenantId === undefined) {
    await clone.database.asSystem((transaction) => transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${id}::uuid, ${id})`));
  }
  return { tenantId: id, key: (await tenantKeys.purposeKey(id, "presign")).key.toString("hex") };
}

describe("the root key", () => {
  test("is made at the first start, for its owner alone, and is the same one after a restart", async () => {
    const first = await start();
    expect((await stat(config.file)).mode & 0o777).toBe(0o400);
    expect(await start({}, first.tenantId)).toEqual(first);
  });

  test("is made once, however many start at once", async () => {
    await Promise.all(Array.from({ length: 8 }, () => openKeys(clone.database, config)));
    expect((await readFile(config.file, "utf8")).trim().split("\n")).toHaveLength(1);
    const rows = await clone.database.asSystem((transaction) => transaction.query(sql`SELECT FROM root_keys`));
    expect(rows).toHaveLength(1);
  });

  test("that is lost while tenants' keys lie under it ends the start, which makes no new one", async () => {
    await start();
    await rm(config.file);
    await expect(openKeys(clone.database, config)).rejects.toMatchObject({
      name: "ConfigError",
      message: expect.stringMatching(/does not hold the root key.*local:[0-9a-f]{16}.*backup/s),
    });
    await expect(stat(config.file)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("that is another one ends the start", async () => {
    await start();
    await chmod(config.file, 0o600);
    await writeFile(config.file, newRootKey());
    await expect(openKeys(clone.database, config)).rejects.toThrow("does not hold the root key of this installation");
  });

  test("of one host is not another one's, even before anything is encrypted", async () => {
    await openKeys(clone.database, config);
    const other = join(folder, "other.key");
    await writeFile(other, newRootKey(), { mode: 0o400 });
    await expect(openKeys(clone.database, { ...config, file: other, mayMakeFile: false })).rejects.toThrow("does not hold the root key");
  });

  test("is not made in production, which says how to make it", async () => {
    await expect(openKeys(clone.database, { ...config, mayMakeFile: false })).rejects.toThrow("openssl rand -base64 32");
  });

  test.each([
    ["everybody may read it", (path: string) => chmod(path, 0o644), "chmod 400"],
    ["it holds no key", (path: string) => chmod(path, 0o600).then(() => writeFile(path, "# nothing\n")), "there is no key in it"],
    ["it holds half a key", (path: string) => chmod(path, 0o600).then(() => writeFile(path, "AAAA\n")), "32 bytes as base64"],
  ])("can't be used where %s", async (_why, spoil, message) => {
    await openKeys(clone.database, config);
    await spoil(config.file);
    await expect(openKeys(clone.database, config)).rejects.toMatchObject({
      name: "ConfigError",
      message: expect.stringContaining(message),
    });
  });

  test("may move from the file to the environment, and the other way", async () => {
    const first = await start();
    const text = (await readFile(config.file, "utf8")).trim();
    expect(await start({ file: undefined, text, mayMakeFile: false }, first.tenantId)).toEqual(first);
    expect(await start({ file: undefined, text: `${newRootKey()},${text}`, mayMakeFile: false }, first.tenantId)).toEqual(first);
    await expect(openKeys(clone.database, { ...config, file: undefined, text: newRootKey() })).rejects.toThrow(
      "FILEMILL_ROOT_KEY does not hold",
    );
    await expect(openKeys(clone.database, { ...config, file: undefined, text: "x" })).rejects.toMatchObject({ name: "ConfigError" });
  });
});
