import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { v7 as uuidv7 } from "uuid";
import { cloneDatabase, type ClonedDatabase } from "../../../test/database.ts";
import { sql } from "../../db/sql.ts";
import { tenantKeyRows } from "../../tenants/tenant-key-rows.ts";
import { createEnvProvider } from "./env-provider.ts";
import type { KeyProvider } from "./key-provider.ts";
import { newRootKey } from "./local-keys.ts";
import { createTenantKeys, type TenantKeys } from "./tenant-keys.ts";

let clone: ClonedDatabase;
beforeAll(async () => {
  clone = await cloneDatabase();
});
afterAll(() => clone.close());

let tenantId: string;
let asked: string[];
let nowMs: number;
let away: Error | undefined;
let provider: KeyProvider;
beforeEach(async () => {
  tenantId = uuidv7();
  await clone.database.asSystem((transaction) =>
    transaction.execute(sql`INSERT INTO tenants (id, name) VALUES (${tenantId}::uuid, ${tenantId})`),
  );
  asked = [];
  nowMs = 0;
  away = undefined;
  const real = createEnvProvider(newRootKey());
  const watched = async <T>(what: string, answer: () => Promise<T>): Promise<T> => {
    asked.push(what);
    if (away) throw away;
    return await answer();
  };
  provider = {
    ...real,
    wrap: (key, name) => watched("wrap", () => real.wrap(key, name)),
    unwrap: (wrapped, name) => watched("unwrap", () => real.unwrap(wrapped, name)),
  };
});

/** As another process would have them. */
function open(): TenantKeys {
  const clock = { now: () => new Date(nowMs), monotonicMs: () => nowMs };
  return createTenantKeys({ provider, rows: tenantKeyRows(clone.database), clock });
}

async function rowsOf(): Promise<number> {
  return await clone.database.asTenant(tenantId, async (transaction) => {
    const rows = await transaction.query(sql`SELECT FROM tenant_keys`);
    return rows.length;
  });
}

describe("a tenant's keys", () => {
  it("are made once, whoever is first, in however many processes", async () => {
    const processes = Array.from({ length: 5 }, open);
    const keys = await Promise.all(
      processes.flatMap((process) => Array.from({ length: 4 }, () => process.purposeKey(tenantId, "presign"))),
    );
    expect(new Set(keys.map(({ key }) => key.toString("hex"))).size).toBe(1);
    expect(await rowsOf()).toBe(1);
  });

  it("differ by purpose and by tenant, and are the same after a restart", async () => {
    const keys = open();
    const presign = await keys.purposeKey(tenantId, "presign");
    const dedup = await keys.purposeKey(tenantId, "dedup");
    expect(presign.key.equals(dedup.key)).toBe(false);
    expect(presign.key).toHaveLength(32);
    expect((await open().purposeKey(tenantId, "presign", presign.version)).key.equals(presign.key)).toBe(true);
  });

  it("are unwrapped once for many who ask together, and again after a while", async () => {
    const keys = open();
    await keys.purposeKey(tenantId, "presign");
    expect(asked).toEqual(["wrap", "unwrap"]);
    await Promise.all(Array.from({ length: 50 }, () => keys.purposeKey(tenantId, "dedup")));
    expect(asked).toEqual(["wrap", "unwrap"]);
    nowMs += 10 * 60_000;
    await Promise.all(Array.from({ length: 50 }, () => keys.purposeKey(tenantId, "dedup")));
    expect(asked).toEqual(["wrap", "unwrap", "unwrap"]);
  });

  it("are not to be had while the key store is away, and again when it is back", async () => {
    await open().purposeKey(tenantId, "presign");
    const keys = open();
    away = new Error("away");
    await expect(keys.purposeKey(tenantId, "presign")).rejects.toBe(away);
    away = undefined;
    expect((await keys.purposeKey(tenantId, "presign")).version).toBe(1);
  });

  it("are unavailable under a root key that is not the one they were wrapped with", async () => {
    await open().purposeKey(tenantId, "presign");
    provider = createEnvProvider(newRootKey());
    await expect(open().purposeKey(tenantId, "presign")).rejects.toMatchObject({ code: "unavailable" });
    expect(await rowsOf()).toBe(1);
  });

  it("are unavailable where the wrapped key was changed, or is another tenant's", async () => {
    await open().purposeKey(tenantId, "presign");
    for (const wrapped of [randomBytes(60), randomBytes(7)]) {
      await clone.database.asSystem((transaction) =>
        transaction.execute(sql`UPDATE tenant_keys SET wrapped_key = ${wrapped} WHERE tenant_id = ${tenantId}::uuid`),
      );
      await expect(open().purposeKey(tenantId, "presign")).rejects.toMatchObject({ code: "unavailable" });
    }
  });

  it("have no version that was never made", async () => {
    await open().purposeKey(tenantId, "presign");
    await expect(open().purposeKey(tenantId, "presign", 2)).rejects.toMatchObject({ code: "unavailable" });
  });
});
