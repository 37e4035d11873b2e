import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine } from "../../test/engine/engine.ts";
import { openPlatform, type Platform } from "../../test/engine/platform.ts";
import { sql } from "../db/sql.ts";
import { readUsage } from "../tenants/usage.ts";

let clone: ClonedDatabase;
let platform: Platform;
let tenantId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  platform = await openPlatform(clone.database);
  await platform.worker();
});
afterAll(async () => {
  await platform.close();
  await clone.close();
});
beforeEach(async () => {
  tenantId = await openEngine(clone.database).tenant();
});

async function limit(bytes: number | null, files: number | null): Promise<void> {
  await clone.database.asSystem((transaction) =>
    transaction.execute(
      sql`INSERT INTO tenant_quotas (tenant_id, limit_bytes, limit_files) VALUES (${tenantId}::uuid, ${bytes}, ${files})`,
    ),
  );
}

const usage = () => clone.database.asTenant(tenantId, (transaction) => readUsage(transaction, tenantId));
const MANY = { steps: { many: { use: "demo.many", with: { count: 2, bytes: 20_000 } } } };

async function exceptions(jobId: string): Promise<{ ordinal: number; code: string; message: string }[]> {
  return await clone.database.asSystem((transaction) =>
    transaction.query(sql`SELECT ordinal, code, message FROM item_exceptions WHERE job_id = ${jobId}::uuid ORDER BY ordinal`),
  );
}

test("outputs count, and those that don't fit end their item alone, in the same task", async () => {
  const inputs = await Promise.all(["a", "b", "c"].map((name) => platform.put(tenantId, name, name)));
  await limit(90_000, null);
  const jobId = await platform.submit(tenantId, MANY, inputs);
  expect(await platform.ended(jobId)).toBe("failed");
  expect(await exceptions(jobId)).toEqual([
    { ordinal: 2, code: "limit_exceeded", message: expect.stringContaining("90000 bytes may be kept") },
  ]);
  expect(await usage()).toMatchObject({ used: { bytes: 80_003, files: 7 }, reserved: { bytes: 0, files: 0 } });
});

test("what only crosses a stage boundary needs no room", async () => {
  const input = await platform.put(tenantId, "a", "a");
  await limit(1_000, null);
  const steps = { ...MANY.steps, all: { use: "demo.count", needs: ["many"] } };
  const jobId = await platform.submit(tenantId, { steps, outputs: ["all"] }, [input]);
  expect(await platform.ended(jobId)).toBe("completed");
  const { used, reserved } = await usage();
  expect(used.files).toBe(2);
  expect(used.bytes).toBeLessThan(1_000);
  expect(reserved).toEqual({ bytes: 0, files: 0 });
});

test("what a later step hands on as its output needs room as if it had made it", async () => {
  const input = await platform.put(tenantId, "a", "a");
  await limit(30_000, null);
  const steps = { ...MANY.steps, each: { use: "demo.noop", needs: ["many"], lane: "default", batch: { items: 1 } } };
  const jobId = await platform.submit(tenantId, { steps, outputs: ["each"] }, [input]);
  expect(await platform.ended(jobId)).toBe("failed");
  expect((await exceptions(jobId)).map(({ code }) => code)).toEqual(["limit_exceeded"]);
  expect(await usage()).toMatchObject({ used: { bytes: 20_001, files: 2 }, reserved: { bytes: 0, files: 0 } });
});
