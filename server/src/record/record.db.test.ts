import { afterAll, beforeAll, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { sql } from "../db/sql.ts";
import { ensureTenant } from "../tenants/tenants.ts";
import { appendAudit } from "./audit.ts";
import { appendEvents, type EventRow } from "./events.ts";

const JOB = "00000000-0000-7000-8000-00000000000c";

let db: ClonedDatabase;
let tenantId: string;
beforeAll(async () => {
  db = await cloneDatabase();
  tenantId = await db.database.asSystem((transaction) => ensureTenant(transaction, "acme"));
});
afterAll(() => db.close());

test("events are kept in the order given, with quotes, nulls and nesting in their data intact", async () => {
  const data = { message: `"it's", {a\\b}`, nothing: null, list: [1, { two: "ü" }] };
  const rows: EventRow[] = [
    { tenantId, jobId: JOB, type: "job.queued", data },
    { tenantId, type: "quota.warning", data: {} },
    { tenantId, jobId: null, type: "file.stored", data: { id: "file_x" } },
  ];
  await db.database.asTenant(tenantId, (transaction) => appendEvents(transaction, rows));
  const kept = await db.database.asTenant(tenantId, (transaction) =>
    transaction.query(sql`SELECT job_id, type, data, xid::text = min(xid::text) OVER () AS one_transaction FROM events ORDER BY id`),
  );
  expect(kept).toEqual([
    { job_id: JOB, type: "job.queued", data, one_transaction: true },
    { job_id: null, type: "quota.warning", data: {}, one_transaction: true },
    { job_id: null, type: "file.stored", data: { id: "file_x" }, one_transaction: true },
  ]);
});

test("no events are no statement", async () => {
  await appendEvents(
    {
      query: () => Promise.reject(new Error("asked")),
      execute: () => Promise.reject(new Error("asked")),
    },
    [],
  );
});

test("what is recorded goes with its transaction", async () => {
  const attempt = db.database.asTenant(tenantId, async (transaction) => {
    await appendEvents(transaction, [{ tenantId, type: "job.failed", data: {} }]);
    await appendAudit(transaction, { tenantId, actor: "key_x", action: "job.cancel", object: "job_gone" });
    throw new Error("changed my mind");
  });
  await expect(attempt).rejects.toThrow("changed my mind");
  const kept = await db.database.asTenant(tenantId, (transaction) =>
    transaction.query(
      sql`SELECT type FROM events WHERE type = 'job.failed' UNION ALL SELECT object FROM audit_entries WHERE object = 'job_gone'`,
    ),
  );
  expect(kept).toEqual([]);
});

test("a tenant records nothing in another's name", async () => {
  const other = await db.database.asSystem((transaction) => ensureTenant(transaction, "other"));
  await expect(
    db.database.asTenant(tenantId, (transaction) => appendEvents(transaction, [{ tenantId: other, type: "job.queued", data: {} }])),
  ).rejects.toThrow("row-level security");
  await expect(
    db.database.asTenant(tenantId, (transaction) =>
      appendAudit(transaction, { tenantId: other, actor: "key_x", action: "job.cancel", object: "job_x" }),
    ),
  ).rejects.toThrow("row-level security");
});

test("an audit entry is neither changed nor removed by those who serve", async () => {
  await db.database.asTenant(tenantId, (transaction) =>
    appendAudit(transaction, { tenantId, actor: "system", action: "key.create", object: "key_x", detail: { name: "ci" } }),
  );
  for (const statement of [sql`UPDATE audit_entries SET actor = 'nobody'`, sql`DELETE FROM audit_entries`]) {
    await expect(db.database.asTenant(tenantId, (transaction) => transaction.execute(statement))).rejects.toThrow("permission denied");
    await expect(db.database.asSystem((transaction) => transaction.execute(statement))).rejects.toThrow("permission denied");
  }
});
