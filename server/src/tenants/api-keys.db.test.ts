import { decodeId } from "@filemill/contract/ids.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import type { Clock } from "../clock.ts";
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { createKey, revokeKey, verifyKey, type NewKey } from "./api-keys.ts";
import { newKeyText } from "./key-format.ts";
import { ensureTenant } from "./tenants.ts";

let db: ClonedDatabase;
let tenantId: string;
beforeAll(async () => {
  db = await cloneDatabase();
  tenantId = await db.database.asSystem((transaction) => ensureTenant(transaction, "acme"));
});
afterAll(() => db.close());

/** A clock one can set, and a count of how often the database was asked. */
function watched(): { clock: Clock & { ms: number }; database: Database; asked: () => number } {
  let count = 0;
  const clock = { ms: 0, now: () => new Date(), monotonicMs: () => clock.ms };
  const database: Database = {
    ...db.database,
    asSystem(work) {
      count++;
      return db.database.asSystem(work);
    },
  };
  return { clock, database, asked: () => count };
}

function newKey(more: Partial<NewKey> = {}): Promise<{ id: string; text: string }> {
  return db.database.asTenant(tenantId, (transaction) =>
    createKey(transaction, { tenantId, name: "ci", role: "user", actor: "system", ...more }),
  );
}

test("a key stands for its tenant and role", async () => {
  const { id, text } = await newKey({ role: "read-only" });
  expect(await verifyKey(db.database, text)).toEqual({ tenantId, actor: id, role: "read-only" });
});

test("the secret is not in the database", async () => {
  const { id, text } = await newKey();
  const [row] = await db.database.asSystem((transaction) =>
    transaction.query<{ row: string }>(sql`SELECT to_jsonb(api_keys)::text AS row FROM api_keys WHERE id = ${decodeId("key", id)}::uuid`),
  );
  expect(row?.row).toContain(text.slice(9, 19));
  expect(row?.row).not.toContain(text.slice(20, 63));
});

test("a wrong checksum is refused without asking the database", async () => {
  const { database, clock, asked } = watched();
  const { text } = await newKey();
  expect(await verifyKey(database, text.slice(0, -1) + (text.endsWith("0") ? "1" : "0"), clock)).toBeUndefined();
  expect(asked()).toBe(0);
});

test("unknown keys are refused, and so is another secret under a known id", async () => {
  expect(await verifyKey(db.database, newKeyText())).toBeUndefined();
  const { text } = await newKey();
  const { text: other } = await newKey();
  await db.database.asSystem((transaction) =>
    transaction.execute(sql`
      UPDATE api_keys SET secret_sha256 = (SELECT secret_sha256 FROM api_keys WHERE key_id = ${other.slice(9, 19)}) WHERE key_id = ${text.slice(9, 19)}`),
  );
  expect(await verifyKey(db.database, text)).toBeUndefined();
  expect(await verifyKey(db.database, other)).toBeDefined();
});

test("an expired key is refused, and one that expires soon is remembered no longer than that", async () => {
  const { text: expired } = await newKey({ expiresAt: new Date(Date.now() - 1_000) });
  expect(await verifyKey(db.database, expired)).toBeUndefined();

  const { database, clock, asked } = watched();
  const { text } = await newKey({ expiresAt: new Date(Date.now() + 3_000) });
  expect(await verifyKey(database, text, clock)).toBeDefined();
  await db.database.asSystem((transaction) =>
    transaction.execute(sql`UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE key_id = ${text.slice(9, 19)}`),
  );
  clock.ms = 3_001;
  expect(await verifyKey(database, text, clock)).toBeUndefined();
  expect(asked()).toBe(2);
});

test("a good key is asked for once in five seconds, and a revoked one is refused after that", async () => {
  const { database, clock, asked } = watched();
  const { id, text } = await newKey();
  for (clock.ms = 0; clock.ms < 5_000; clock.ms += 1_000) expect(await verifyKey(database, text, clock)).toBeDefined();
  expect(asked()).toBe(1);
  const key = { tenantId, uuid: decodeId("key", id) ?? "", actor: "system" };
  expect(await db.database.asTenant(tenantId, (transaction) => revokeKey(transaction, key))).toBe(true);
  expect(await db.database.asTenant(tenantId, (transaction) => revokeKey(transaction, key))).toBe(false);
  clock.ms = 5_000;
  expect(await verifyKey(database, text, clock)).toBeUndefined();
});

test("making and revoking are recorded with the change", async () => {
  const { id } = await newKey();
  await db.database.asTenant(tenantId, (transaction) =>
    revokeKey(transaction, { tenantId, uuid: decodeId("key", id) ?? "", actor: "key_x" }),
  );
  const [events, audit] = await db.database.asTenant(tenantId, async (transaction) => [
    await transaction.query(sql`SELECT type FROM events WHERE data->>'id' = ${id} ORDER BY id`),
    await transaction.query(sql`SELECT actor, action FROM audit_entries WHERE object = ${id} ORDER BY id`),
  ]);
  expect(events).toEqual([{ type: "key.created" }, { type: "key.revoked" }]);
  expect(audit).toEqual([
    { actor: "system", action: "key.create" },
    { actor: "key_x", action: "key.revoke" },
  ]);
});
