import { createHash } from "node:crypto";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { StoredFile } from "../record/files.ts";
import { recordTogether } from "./record-together.ts";

let cloned: ClonedDatabase;
beforeAll(async () => {
  cloned = await cloneDatabase();
});
afterAll(() => cloned.close());

async function newTenant(): Promise<string> {
  const tenantId = uuidv7();
  await cloned.database.asSystem((transaction) =>
    transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${tenantId}::uuid, ${tenantId})`),
  );
  return tenantId;
}

function fileOf(tenantId: string, name: string): StoredFile {
  const inline = Buffer.from(name);
  const sha256 = createHash("sha256").update(inline).digest();
  const content = { inline };
  const sizeBytes = inline.length;
  return { id: uuidv7(), tenantId, name, sizeBytes, sha256, mediaType: "text/plain", origin: "upload", metadata: {}, content };
}

/** The same database, and how many transactions were begun on it. */
function counted(): { database: Database; transactions: () => number } {
  let transactions = 0;
  const database: Database = {
    ...cloned.database,
    asTenant(tenantId, work) {
      transactions++;
      return cloned.database.asTenant(tenantId, work);
    },
  };
  return { database, transactions: () => transactions };
}

function record(database: Database, tenantId: string, names: readonly string[]): Promise<void> {
  const files = names.map((name) => fileOf(tenantId, name));
  return recordTogether(database, { tenantId, actor: "key_test", files, beforeCommit: async () => undefined });
}

async function recorded(tenantId: string): Promise<{ names: string[]; audited: number; events: number }> {
  return await cloned.database.asTenant(tenantId, async (transaction) => {
    const files = await transaction.query<{ name: string }>(sql`
      SELECT name FROM files JOIN inline_objects ON file_id = id AND content = convert_to(name, 'UTF8') ORDER BY name`);
    const audit = await transaction.query(sql`SELECT FROM audit_entries WHERE action = 'file.upload'`);
    const events = await transaction.query(sql`SELECT FROM events WHERE type = 'file.stored'`);
    return { names: files.map(({ name }) => name), audited: audit.length, events: events.length };
  });
}

it("records uploads that come at once in few transactions, with an entry in the audit log for each", async () => {
  const { database, transactions } = counted();
  const tenantId = await newTenant();
  const names = Array.from({ length: 40 }, (_, no) => `file-${String(no).padStart(2, "0")}`);
  await Promise.all(names.map((name) => record(database, tenantId, [name])));
  expect(await recorded(tenantId)).toEqual({ names, audited: 40, events: 40 });
  // The first comes alone; all others wait for it.
  expect(transactions()).toBe(2);
});

it("tells each request once it is committed, and not before", async () => {
  const { database } = counted();
  const tenantId = await newTenant();
  const names = Array.from({ length: 10 }, (_, no) => `file-${no}`);
  await Promise.all(
    names.map(async (name) => {
      await record(database, tenantId, [name]);
      expect((await recorded(tenantId)).names).toContain(name);
    }),
  );
});

it("lets a request that the database refuses fail alone, whole", async () => {
  const { database } = counted();
  const tenantId = await newTenant();
  const tooLong = "x".repeat(2_000);
  const requests = [["a"], ["b"], ["good", tooLong], ["c"]];
  const results = await Promise.allSettled(requests.map((names) => record(database, tenantId, names)));
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
  expect(await recorded(tenantId)).toEqual({ names: ["a", "b", "c"], audited: 3, events: 3 });
});

it("never puts two tenants into one transaction", async () => {
  const { database, transactions } = counted();
  const [one, other] = [await newTenant(), await newTenant()];
  await Promise.all([record(database, one, ["a"]), record(database, other, ["b"]), record(database, one, ["c"])]);
  expect((await recorded(one)).names).toEqual(["a", "c"]);
  expect((await recorded(other)).names).toEqual(["b"]);
  expect(transactions()).toBe(3);
});

it("begins afresh after a failure", async () => {
  const { database } = counted();
  const tenantId = await newTenant();
  await expect(record(database, tenantId, ["x".repeat(2_000)])).rejects.toThrow();
  await record(database, tenantId, ["a"]);
  expect((await recorded(tenantId)).names).toEqual(["a"]);
});
