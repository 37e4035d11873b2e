import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { decodeId, encodeId } from "@filemill/contract/ids.ts";
import type { JobResource } from "@filemill/contract/jobs.ts";
import { pino } from "pino";
import { openEngine, type Engine } from "../../../test/engine/engine.ts";
import { startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { sql } from "../../db/sql.ts";
import { placeOrder } from "../place-order.ts";
import { startWaitingJobs } from "./start-waiting.ts";

// Submissions, ends, cancellations and rounds that meet: a job behind others starts once, whatever their order.

const ONE = { steps: { stats: { use: "text.stats" } } };

let app: TestApp;
let engine: Engine;
let tenant: TestTenant;
let file: string;
beforeAll(async () => {
  app = await startTestApp();
  engine = openEngine(app.cloned.database);
});
afterAll(() => app.close());
beforeEach(async () => {
  tenant = await app.tenant();
  const [id = ""] = await engine.files(tenant.id, 1);
  file = encodeId("file", id);
});

const start = () => startWaitingJobs({ database: app.cloned.database, log: pino({ level: "silent" }) });

async function submit(part: object): Promise<string> {
  const body = JSON.stringify({ pipeline: ONE, inputs: [file], ...part });
  const answer = await tenant.fetch("/jobs", { method: "POST", headers: { "content-type": "application/json" }, body });
  expect(answer.status).toBe(202);
  return ((await answer.json()) as { job_id: string }).job_id;
}

async function job(id: string): Promise<JobResource> {
  return (await (await tenant.fetch(`/jobs/${id}`)).json()) as JobResource;
}

const cancel = (id: string) => tenant.fetch(`/jobs/${id}/cancel`, { method: "POST" });

/** It completes, in one statement as the engine does it. */
async function end(id: string): Promise<void> {
  await engine.database.asSystem((transaction) =>
    transaction.execute(sql`UPDATE jobs SET status = 'completed', finished_at = now() WHERE id = ${decodeId("job", id)}::uuid`),
  );
}

test("ten rounds start each job once", async () => {
  const a = await submit({});
  const waiting = await Promise.all(Array.from({ length: 20 }, () => submit({ after: [a] })));
  await end(a);
  await Promise.all(Array.from({ length: 10 }, start));
  await start();
  const rows = await engine.rows<{ tasks: number }>(sql`
    SELECT count(*) AS tasks FROM tasks WHERE job_id = ANY(${waiting.map((id) => decodeId("job", id) ?? "")}::uuid[]) GROUP BY job_id`);
  expect(rows.map(({ tasks }) => tasks)).toEqual(waiting.map(() => 1));
});

test("a job is neither lost nor started twice where those before it end at the same moment as it is submitted", async () => {
  const rounds = Array.from({ length: 15 }, async () => {
    const [a, b] = [await submit({}), await submit({})];
    const [c] = await Promise.all([submit({ after: [a, b] }), end(a), end(b), start()]);
    return c;
  });
  const waiting = await Promise.all(rounds);
  await start();
  for (const id of waiting) expect((await job(id)).after).toMatchObject({ waiting: false });
  const [row] = await engine.rows<{ tasks: number }>(sql`
    SELECT count(*) AS tasks FROM tasks WHERE job_id = ANY(${waiting.map((id) => decodeId("job", id) ?? "")}::uuid[])`);
  expect(row?.tasks).toBe(waiting.length);
});

/** Resolves when somebody in this database waits for a lock, or `done` has ended. */
async function blockedOr(done: Promise<unknown>): Promise<void> {
  let ended = false;
  const end = () => (ended = true);
  done.then(end, end);
  const blocked = () =>
    engine.rows(sql`SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()`);
  await expect.poll(async () => ended || (await blocked()).length > 0, { timeout: 10_000 }).toBe(true);
}

test("a job that is submitted while the one before it is just ending hears of the end", async () => {
  const a = await submit({});
  let submitting: Promise<string> | undefined;
  await engine.database.asSystem(async (transaction) => {
    await transaction.execute(sql`UPDATE jobs SET status = 'completed', finished_at = now() WHERE id = ${decodeId("job", a)}::uuid`);
    submitting = submit({ after: [a] });
    await blockedOr(submitting);
  });
  const b = (await submitting) ?? "";
  await start();
  expect((await job(b)).after).toMatchObject({ waiting: false });
});

test("a job that ends while one is just submitted behind it tells that one", async () => {
  const a = await submit({});
  let ending: Promise<void> | undefined;
  const b = await engine.database.asTenant(tenant.id, async (transaction) => {
    const after = { jobs: [a], policy: "completed" as const, inputsFrom: [] };
    const order = { tenantId: tenant.id, actor: "key_x", pipeline: ONE, inputs: [file], after };
    const placed = await placeOrder(transaction, app.services.catalogue, order);
    ending = end(a);
    await blockedOr(ending);
    return placed.jobId;
  });
  await ending;
  await start();
  expect((await job(encodeId("job", b))).after).toMatchObject({ waiting: false });
});

test("cancelling and starting agree on which of them came first", async () => {
  const a = await submit({});
  const waiting = await Promise.all(Array.from({ length: 15 }, () => submit({ after: [a] })));
  await end(a);
  await Promise.all([...waiting.map(cancel), start(), start(), start()]);
  await start();
  for (const id of waiting) expect(await job(id)).toMatchObject({ status: "cancelled", counts: { total: 1, cancelled: 1 } });
  const open = await engine.rows(sql`
    SELECT FROM tasks WHERE job_id = ANY(${waiting.map((id) => decodeId("job", id) ?? "")}::uuid[]) AND status IN ('ready', 'waiting')`);
  expect(open).toEqual([]);
});
