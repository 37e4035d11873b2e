import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openDatabase, type Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { hashRequest, withIdempotency } from "./idempotency.ts";

let clone: ClonedDatabase;
const tenantId = randomUUID();
const otherTenantId = randomUUID();
const hash = hashRequest({ path: "/jobs", body: 1 });

beforeAll(async () => {
  clone = await cloneDatabase();
  for (const id of [tenantId, otherTenantId]) {
    await clone.database.asSystem((transaction) => transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${id}, ${id})`));
  }
});
afterAll(() => clone.close());

/** An effect that can be counted: a new pipeline row. */
async function effect(transaction: Transaction) {
  const id = randomUUID();
  await transaction.execute(sql`
    INSERT INTO pipelines (id, tenant_id, name, version, document)
    VALUES (${id}, (SELECT current_setting('filemill.tenant')::uuid), ${id}, 1, '{}')`);
  return { status: 202, body: { z: id, a: 1 } };
}

const effects = async (id: string) =>
  (await clone.database.asTenant(id, (transaction) => transaction.query(sql`SELECT 1 FROM pipelines`))).length;

describe("a request with an Idempotency-Key", () => {
  it("happens once however often it is sent, with the same bytes for an answer", async () => {
    const before = await effects(tenantId);
    const request = { tenantId, key: "one", requestHash: hash };
    const first = await withIdempotency(clone.database, request, effect);
    const again = await withIdempotency(clone.database, request, effect);
    expect([first.replayed, again.replayed]).toEqual([false, true]);
    expect(JSON.stringify(again.body)).toBe(JSON.stringify(first.body));
    expect(again.status).toBe(202);
    expect(await effects(tenantId)).toBe(before + 1);
  });

  it("happens once when it is sent many times at once", async () => {
    const before = await effects(tenantId);
    const request = { tenantId, key: "crowd", requestHash: hash };
    const answers = await Promise.all(Array.from({ length: 8 }, () => withIdempotency(clone.database, request, effect)));
    expect(new Set(answers.map(({ body }) => body.z)).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await effects(tenantId)).toBe(before + 1);
  });

  it("holds no connection while it waits for another with its key, and is told to come again after 5 s", async () => {
    const narrow = openDatabase({ url: clone.url, applicationName: "narrow", maxConnections: 2 });
    const request = { tenantId, key: "slow", requestHash: hash };
    const begun = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const first = withIdempotency(narrow, request, async (transaction) => {
      begun.resolve();
      await go.promise;
      return effect(transaction);
    });
    await begun.promise;
    const crowd = Promise.allSettled(Array.from({ length: 20 }, () => withIdempotency(narrow, request, effect)));
    for (let answered = 0; answered < 20; answered++) {
      expect(await narrow.asSystem((transaction) => transaction.query(sql`SELECT 1 AS one`))).toEqual([{ one: 1 }]);
    }
    for (const one of await crowd) {
      expect(one).toMatchObject({ status: "rejected", reason: { code: "unavailable", retryAfterSeconds: 1 } });
    }
    go.resolve();
    expect(await first).toMatchObject({ replayed: false });
    expect(await withIdempotency(narrow, request, effect)).toMatchObject({ replayed: true });
    await narrow.close();
  });

  it("is answered from what was stored when the connection was cut after COMMIT", async () => {
    const request = { tenantId, key: "cut", requestHash: hash };
    const cut = {
      ...clone.database,
      async asTenant<T>(id: string, work: (transaction: Transaction) => Promise<T>): Promise<T> {
        await clone.database.asTenant(id, work);
        throw new Error("Connection terminated unexpectedly");
      },
    };
    const before = await effects(tenantId);
    await expect(withIdempotency(cut, request, effect)).rejects.toThrow("terminated");
    expect(await withIdempotency(clone.database, request, effect)).toMatchObject({ replayed: true, status: 202 });
    expect(await effects(tenantId)).toBe(before + 1);
  });

  it("leaves the key free when the work fails", async () => {
    const request = { tenantId, key: "failed", requestHash: hash };
    const fail = async (transaction: Transaction) => {
      await effect(transaction);
      throw new Error("no");
    };
    const before = await effects(tenantId);
    await expect(withIdempotency(clone.database, request, fail)).rejects.toThrow("no");
    expect(await effects(tenantId)).toBe(before);
    expect(await withIdempotency(clone.database, request, effect)).toMatchObject({ replayed: false });
  });

  it("is refused where the key was used for another request", async () => {
    await withIdempotency(clone.database, { tenantId, key: "two", requestHash: hash }, effect);
    const other = { tenantId, key: "two", requestHash: hashRequest({ path: "/jobs", body: 2 }) };
    await expect(withIdempotency(clone.database, other, effect)).rejects.toMatchObject({ code: "idempotency_key_reused" });
  });

  it("does not meet another tenant's key", async () => {
    await withIdempotency(clone.database, { tenantId, key: "three", requestHash: hash }, effect);
    const foreign = await withIdempotency(clone.database, { tenantId: otherTenantId, key: "three", requestHash: hash }, effect);
    expect(foreign.replayed).toBe(false);
  });

  it("must not be longer than 255 bytes", async () => {
    const request = { tenantId, key: "x".repeat(256), requestHash: hash };
    await expect(withIdempotency(clone.database, request, effect)).rejects.toMatchObject({ code: "validation_failed" });
  });
});

describe("hashing a request", () => {
  it("ignores the order of keys and nothing else", () => {
    expect(hashRequest({ a: { c: 1, b: [1, 2] }, d: 2 })).toEqual(hashRequest({ d: 2, a: { b: [1, 2], c: 1 } }));
    expect(hashRequest({ a: [1, 2] })).not.toEqual(hashRequest({ a: [2, 1] }));
  });
});
