import { Readable } from "node:stream";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { createMemoryStore } from "../../test/memory-store.ts";
import { sql } from "../db/sql.ts";
import { StorageError } from "../errors.ts";
import { createObjectStores } from "../storage/object-stores.ts";
import { requireStores } from "./require-stores.ts";

let cloned: ClonedDatabase;
const first = createMemoryStore("first");
const tenantId = uuidv7();
const fileId = uuidv7();
const key = `${tenantId}/${fileId}/0/0`;
beforeAll(async () => {
  cloned = await cloneDatabase();
  await cloned.database.asSystem((transaction) =>
    transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${tenantId}::uuid, 'stores')`),
  );
});
afterAll(() => cloned.close());

const start = (...stores: ReturnType<typeof createMemoryStore>[]) =>
  requireStores(cloned.database, createObjectStores(stores.map((store) => ({ store }))));

it("starts with any stores where nothing is stored", async () => {
  await expect(start(createMemoryStore("anything"))).resolves.toBeUndefined();
});

it("refuses to start without a store that holds files, and says which names there are", async () => {
  await first.put(key, Readable.from([Buffer.from("content")]));
  await cloned.database.asTenant(tenantId, async (transaction) => {
    await transaction.execute(sql`
      INSERT INTO files (id, tenant_id, name, size_bytes, sha256, media_type, origin)
      VALUES (${fileId}::uuid, ${tenantId}::uuid, 'a', 7, decode(repeat('00', 32), 'hex'), 'text/plain', 'upload')`);
    await transaction.execute(sql`
      INSERT INTO segments (file_id, ordinal, tenant_id, store, object_key, size_bytes)
      VALUES (${fileId}::uuid, 0, ${tenantId}::uuid, 'first', ${key}, 7)`);
  });
  await expect(start(createMemoryStore("renamed"))).rejects.toThrow(/"renamed", but stored files are in "first"/);
  await expect(start(createMemoryStore("renamed"), first)).resolves.toBeUndefined();
});

it("refuses to start with another store of the same name, which holds nothing", async () => {
  await expect(start(createMemoryStore("first"))).rejects.toThrow(/"first" is empty/);
  const stores = createObjectStores([{ store: createMemoryStore("first") }]);
  await expect(requireStores(cloned.database, stores, ["first"])).resolves.toBeUndefined();
});

it("starts while a store is away", async () => {
  const away = {
    ...createMemoryStore("first"),
    // oxlint-disable-next-line require-yield -- it fails before it could
    async *list(): AsyncGenerator<never> {
      throw new StorageError("unavailable", "away");
    },
  };
  await expect(start(away)).resolves.toBeUndefined();
});
