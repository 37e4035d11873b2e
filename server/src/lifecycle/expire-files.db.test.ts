import pino from "pino";
import { beforeAll, beforeEach, expect, test } from "vitest";
import type { ClonedDatabase } from "../../test/database.ts";
import type { Engine } from "../../test/engine/engine.ts";
import type { Platform } from "../../test/engine/platform.ts";
import { openWorkingPlatform } from "../../test/engine/working-platform.ts";
import { sql } from "../db/sql.ts";
import { installFailpoint } from "../failpoint.ts";
import { cancelJob } from "../jobs/cancel.ts";
import { createObjectStores } from "../storage/object-stores.ts";
import { readUsage } from "../tenants/usage.ts";
import { collectGarbage } from "./collect-garbage.ts";
import { holdFile, liftHold } from "./hold.ts";
import { setRetention } from "./retention.ts";

const LARGE = "x".repeat(40_000);
const actor = "key_test";
let clone: ClonedDatabase;
let engine: Engine;
let platform: Platform;
let tenantId: string;
beforeAll(async () => {
  const opened = await openWorkingPlatform();
  ({ clone, engine, platform } = opened);
  return opened.close;
});
beforeEach(async () => {
  tenantId = await engine.tenant();
});

const collect = () =>
  collectGarbage({
    database: clone.database,
    stores: createObjectStores([{ store: platform.store }]),
    graceMs: 3_600_000,
    log: pino({ level: "silent" }),
  });

async function put(name: string, expiresInSeconds: number | null, content = LARGE): Promise<string> {
  const id = await platform.put(tenantId, name, content);
  await clone.database.asSystem((transaction) =>
    transaction.execute(sql`UPDATE files SET expires_at = now() + ${expiresInSeconds} * interval '1 second' WHERE id = ${id}::uuid`),
  );
  return id;
}

async function statusOf(id: string): Promise<string | undefined> {
  const [row] = await clone.database.asSystem((transaction) =>
    transaction.query<{ status: string }>(sql`SELECT status FROM files WHERE id = ${id}::uuid`),
  );
  return row?.status;
}

async function expiryOf(id: string): Promise<number | null> {
  const [row] = await clone.database.asSystem((transaction) =>
    transaction.query<{ seconds: number | null }>(
      sql`SELECT extract(epoch FROM expires_at - created_at)::float8 AS seconds FROM files WHERE id = ${id}::uuid`,
    ),
  );
  return row?.seconds ?? null;
}

async function objects(): Promise<string[]> {
  const keys = await Array.fromAsync(platform.store.list(`${tenantId}/`));
  return keys.map(({ key }) => key.split("/")[1] ?? "");
}

async function told(action: string): Promise<number> {
  const [row] = await clone.database.asSystem((transaction) =>
    transaction.query<{ entries: number; events: number }>(sql`
      SELECT (SELECT count(*) FROM audit_entries WHERE tenant_id = ${tenantId}::uuid AND action = ${action}) AS entries,
        (SELECT count(*) FROM events WHERE tenant_id = ${tenantId}::uuid AND type = 'file.deleted') AS events`),
  );
  expect(row?.entries).toBe(row?.events);
  return row?.entries ?? 0;
}

test("files end when their time is over, and not before; rows, bytes, keys and usage with them", async () => {
  const over = await put("over", -1);
  const inline = await put("inline", -1, "small");
  const young = await put("young", 3_600);
  const kept = await put("kept", null);
  await collect();
  expect(await Promise.all([over, inline, young, kept].map(statusOf))).toEqual(["deleted", "deleted", "stored", "stored"]);
  expect((await objects()).sort()).toEqual([young, kept].sort());
  const [left] = await clone.database.asSystem((transaction) =>
    transaction.query<{ rows: number }>(sql`
      SELECT (SELECT count(*) FROM segments WHERE file_id = ANY(${[over, inline]}::uuid[]))
        + (SELECT count(*) FROM inline_objects WHERE file_id = ANY(${[over, inline]}::uuid[])) AS rows`),
  );
  expect(left?.rows).toBe(0);
  const usage = await clone.database.asTenant(tenantId, (transaction) => readUsage(transaction, tenantId));
  expect(usage.used).toEqual({ bytes: 80_000, files: 2 });
  expect(await told("file.expire")).toBe(2);
});

test("ten rounds at once end each file once, over more than one page", async () => {
  const ids = await Promise.all(Array.from({ length: 450 }, (_unused, index) => platform.put(tenantId, `f${index}`, "x")));
  await clone.database.asSystem((transaction) =>
    transaction.execute(sql`UPDATE files SET expires_at = now() - interval '1 second' WHERE id = ANY(${ids}::uuid[])`),
  );
  const rounds = await Promise.all(Array.from({ length: 10 }, collect));
  expect(rounds.reduce((sum, { expiredFiles }) => sum + expiredFiles, 0)).toBe(450);
  expect(await told("file.expire")).toBe(450);
});

test("a held file outlives its time until the hold is lifted", async () => {
  const id = await put("held", -1);
  await holdFile(clone.database, { tenantId, id, actor, reason: "case 7" });
  await collect();
  expect(await statusOf(id)).toBe("stored");
  await liftHold(clone.database, { tenantId, id, actor });
  await collect();
  expect(await statusOf(id)).toBe("deleted");
});

test("an input waits for the job that still needs it", async () => {
  const id = await put("input", -1);
  const jobId = await platform.submit(tenantId, { steps: { wait: { use: "demo.sleep", with: { ms: 600_000 } } } }, [id]);
  const other = await put("other", -1);
  await collect();
  expect(await Promise.all([id, other].map(statusOf))).toEqual(["stored", "deleted"]);
  await cancelJob(clone.database, { tenantId, jobId, actor });
  await collect();
  expect(await statusOf(id)).toBe("deleted");
});

test("a death between the rows and the objects heals", async () => {
  const id = await put("half", -1);
  const faults = installFailpoint("expire-after-rows-before-objects:error");
  await expect(collect()).rejects.toThrow("expire-after-rows-before-objects");
  faults.remove();
  expect(await statusOf(id)).toBe("deleted");
  expect(await objects()).toEqual([id]);
  await collectGarbage({
    database: clone.database,
    stores: createObjectStores([{ store: platform.store }]),
    graceMs: -60_000,
    log: pino({ level: "silent" }),
  });
  expect(await objects()).toEqual([]);
});

test("the tenant's default is for files that say nothing, the pipeline's for what its jobs make", async () => {
  const before = await platform.put(tenantId, "before", "x");
  await setRetention(clone.database, { tenantId, keepMs: 86_400_000, actor });
  const input = await platform.put(tenantId, "after", "x");
  const document = { steps: { many: { use: "demo.many", with: { count: 1, bytes: 10 } } } };
  const plain = await platform.submit(tenantId, document, [input]);
  const short = await platform.submit(tenantId, { ...document, retention: "2h" }, [input]);
  expect([await platform.ended(plain), await platform.ended(short)]).toEqual(["completed", "completed"]);
  const outputOf = async (jobId: string) => {
    const [row] = await clone.database.asSystem((transaction) =>
      transaction.query<{ id: string }>(sql`SELECT id FROM files WHERE job_id = ${jobId}::uuid AND origin = 'output'`),
    );
    return row?.id ?? "";
  };
  expect(await expiryOf(before)).toBeNull();
  expect(await expiryOf(input)).toBe(86_400);
  expect(await expiryOf(await outputOf(plain))).toBe(86_400);
  expect(await expiryOf(await outputOf(short))).toBe(7_200);
});
