import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { decodeId, encodeId } from "@filemill/contract/ids.ts";
import type { ScheduleResource } from "@filemill/contract/schedules.ts";
import { pino } from "pino";
import { openEngine, type Engine } from "../../../test/engine/engine.ts";
import { startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { sql } from "../../db/sql.ts";
import { runDueSchedules } from "./run-due-schedules.ts";

// What is due is decided by the database's clock: the tests move due times, never that clock.

const PIPELINE = { steps: { stats: { use: "text.stats" } } };

let app: TestApp;
let engine: Engine;
let tenant: TestTenant;
beforeAll(async () => {
  app = await startTestApp();
  engine = openEngine(app.cloned.database);
});
afterAll(() => app.close());
beforeEach(async () => {
  tenant = await app.tenant();
  await engine.rows(sql`DELETE FROM schedules`);
});
afterEach(() => vi.useRealTimers());

const round = () => runDueSchedules({ database: app.cloned.database, catalogue: app.services.catalogue, log: pino({ level: "silent" }) });

async function put(name: string, part: object = {}): Promise<Response> {
  const body = JSON.stringify({ pipeline: PIPELINE, source: { kind: "generate", count: 1 }, cron: "0 * * * *", ...part });
  return await tenant.fetch(`/schedules/${name}`, { method: "PUT", headers: { "content-type": "application/json" }, body });
}

async function schedule(name: string): Promise<ScheduleResource> {
  return (await (await tenant.fetch(`/schedules/${name}`)).json()) as ScheduleResource;
}

/** As if this due time had come, so long ago. */
async function owe(name: string, ago: string, cron = "hour"): Promise<string> {
  const [row] = await engine.rows<{ due: Date }>(sql`
    UPDATE schedules SET next_run_at = date_trunc(${cron}, now() - ${ago}::interval) WHERE tenant_id = ${tenant.id}::uuid AND name = ${name}
    RETURNING next_run_at AS due`);
  return row?.due.toISOString() ?? "";
}

/** Due times of the jobs that were made. */
async function runs(): Promise<string[]> {
  const rows = await engine.rows<{ due: string }>(sql`
    SELECT metadata->>'due_at' AS due FROM job_specs WHERE tenant_id = ${tenant.id}::uuid AND metadata ? 'schedule' ORDER BY job_id`);
  return rows.map(({ due }) => due);
}

describe("a schedule that is due", () => {
  test("makes its job with what it was given, and shows it", async () => {
    const [file = ""] = await engine.files(tenant.id, 1);
    const inputs = [encodeId("file", file)];
    await put("nightly", { source: undefined, inputs, metadata: { shop: "7" }, priority: 5, time_zone: "Europe/Berlin" });
    const due = await owe("nightly", "0 s");
    expect([...(await round()).lanes]).toEqual(["default"]);
    const after = await schedule("nightly");
    expect(after).toMatchObject({ last_run: { due_at: due, outcome: "started", error: null }, paused: false });
    expect(Date.parse(after.next_run ?? "")).toBe(Date.parse(due) + 3_600_000);
    const job = (await (await tenant.fetch(`/jobs/${after.last_job_id}`)).json()) as object;
    expect(job).toMatchObject({ priority: 5, metadata: { shop: "7", schedule: after.id, due_at: due }, counts: { total: 1 } });
    const [entry] = await engine.rows(
      sql`SELECT actor, detail FROM audit_entries WHERE tenant_id = ${tenant.id}::uuid AND action = 'job.create'`,
    );
    expect(entry).toMatchObject({ actor: "system", detail: { schedule: after.id, due_at: due } });
  });

  test("runs once where ten schedulers look at once, again and again", async () => {
    await Promise.all(Array.from({ length: 20 }, (_unused, index) => put(`s${index}`)));
    await engine.rows(sql`UPDATE schedules SET next_run_at = date_trunc('hour', now()) WHERE tenant_id = ${tenant.id}::uuid`);
    for (let turn = 0; turn < 3; turn++) await Promise.all(Array.from({ length: 10 }, round));
    const [row] = await engine.rows(sql`
      SELECT count(*) AS jobs, count(DISTINCT metadata->>'schedule') AS schedules FROM job_specs WHERE tenant_id = ${tenant.id}::uuid`);
    expect(row).toEqual({ jobs: 20, schedules: 20 });
  });

  test("is due by the database's clock, whatever this process takes the time for", async () => {
    await put("hourly");
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 86_400_000 });
    await round();
    expect(await runs()).toEqual([]);
    const due = await owe("hourly", "0 s");
    vi.setSystemTime(Date.now() - 10 * 86_400_000);
    await round();
    expect(await runs()).toEqual([due]);
    expect(Date.parse((await schedule("hourly")).next_run ?? "")).toBe(Date.parse(due) + 3_600_000);
  });

  test("does not run while it is paused, and owes nothing when it goes on", async () => {
    await put("hourly");
    await owe("hourly", "5 hours");
    expect(((await (await tenant.fetch("/schedules/hourly/pause", { method: "POST" })).json()) as ScheduleResource).next_run).toBe(null);
    await round();
    const resumed = (await (await tenant.fetch("/schedules/hourly/resume", { method: "POST" })).json()) as ScheduleResource;
    expect(Date.parse(resumed.next_run ?? "")).toBeGreaterThan(Date.now() - 60_000);
    await round();
    expect(await runs()).toEqual([]);
  });
});

describe("due times that passed while nothing could run", () => {
  test.each([
    ["skip", 0],
    ["run_once", 1],
    ["run_all", 6],
  ] as const)("are made up for as the schedule says: %s", async (missed, jobs) => {
    await put("hourly", { missed });
    await owe("hourly", "5 hours");
    // The last of them is missed as well, unless the hour has just begun.
    const [clock] = await engine.rows<{ late: boolean }>(sql`SELECT now() - date_trunc('hour', now()) > interval '60 s' AS late`);
    for (let turn = 0; turn < 8; turn++) await round();
    const made = await runs();
    expect(made).toHaveLength(missed === "skip" && clock?.late === false ? 1 : jobs);
    expect(new Set(made).size).toBe(made.length);
    expect(made).toEqual(made.toSorted());
    expect((await schedule("hourly")).last_run?.outcome).toBe(made.length === 0 ? "skipped" : "started");
  });

  test("are not lost where the same definition is stored again, and are where it comes due at other times", async () => {
    await put("hourly");
    const due = await owe("hourly", "2 hours");
    await put("hourly", { metadata: { changed: "yes" } });
    expect((await schedule("hourly")).next_run).toBe(due);
    await put("hourly", { cron: "30 * * * *" });
    expect(Date.parse((await schedule("hourly")).next_run ?? "")).toBeGreaterThan(Date.now() - 60_000);
  });
});

describe("a schedule whose last job has not ended", () => {
  test.each([
    ["allow", 2],
    ["skip", 1],
  ] as const)("runs beside it, or does not: %s", async (overlap, jobs) => {
    await put("hourly", { overlap });
    for (const ago of ["2 hours", "1 hour"]) {
      await owe("hourly", ago);
      await round();
    }
    expect(await runs()).toHaveLength(jobs);
    const after = await schedule("hourly");
    expect(after.last_run?.outcome).toBe(jobs === 1 ? "skipped" : "started");
    await engine.rows(sql`UPDATE jobs SET status = 'completed' WHERE tenant_id = ${tenant.id}::uuid`);
    await owe("hourly", "0 s");
    await round();
    expect(await runs()).toHaveLength(jobs + 1);
  });
});

describe("a schedule that can't make its job", () => {
  test("says why, tells it in one event, and goes on", async () => {
    await tenant.fetch("/pipelines/mine", {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(PIPELINE),
    });
    await put("hourly", { pipeline: "mine" });
    await tenant.fetch("/pipelines/mine", { method: "DELETE" });
    for (const ago of ["2 hours", "1 hour"]) {
      await owe("hourly", ago);
      await round();
    }
    const broken = await schedule("hourly");
    expect(broken.last_run).toMatchObject({ outcome: "failed", error: { code: "not_found" } });
    expect(broken.last_run?.error?.message).toContain('"mine"');
    const events = await engine.rows(sql`SELECT data FROM events WHERE tenant_id = ${tenant.id}::uuid AND type = 'schedule.failed'`);
    expect(events).toMatchObject([{ data: { schedule_id: broken.id, name: "hourly", code: "not_found" } }]);

    await tenant.fetch("/pipelines/mine", {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(PIPELINE),
    });
    await owe("hourly", "0 s");
    await round();
    expect((await schedule("hourly")).last_run).toMatchObject({ outcome: "started", error: null });
  });

  test("for a reason that nobody foresaw keeps no other from running, and is not tried every second", async () => {
    await put("a-broken");
    await put("sound");
    await engine.rows(sql`UPDATE schedules SET job = job || '{"inputs": 7}' WHERE tenant_id = ${tenant.id}::uuid AND name = 'a-broken'`);
    await owe("a-broken", "0 s");
    await owe("sound", "0 s");
    await round();
    expect(await runs()).toHaveLength(1);
    const [broken] = await engine.rows<{ outcome: string; later: boolean }>(sql`
      SELECT last_outcome AS outcome, next_run_at > now() AS later FROM schedules WHERE tenant_id = ${tenant.id}::uuid AND name = 'a-broken'`);
    expect(broken).toEqual({ outcome: "failed", later: true });
  });
});

test("a thousand schedules that are due every second keep another tenant's waiting for no more than a few jobs", async () => {
  const greedy = tenant;
  await put("every-second", { cron: "* * * * * *" });
  await engine.rows(sql`
    INSERT INTO schedules (id, tenant_id, name, job, cron, time_zone, missed, overlap, next_run_at)
    SELECT gen_random_uuid(), tenant_id, 's' || n, job, cron, time_zone, 'run_all', overlap, now() - interval '1 hour'
    FROM schedules, generate_series(1, 999) AS n WHERE tenant_id = ${greedy.id}::uuid`);
  expect((await put("one-too-many")).status).toBe(409);
  tenant = await app.tenant();
  await put("mine");
  const due = await owe("mine", "0 s");
  expect((await round()).due).toBe(21);
  expect(await runs()).toEqual([due]);
  const [made] = await engine.rows(sql`SELECT count(*) AS jobs FROM jobs WHERE tenant_id = ${greedy.id}::uuid`);
  expect(made).toEqual({ jobs: 20 });
});

test("a schedule that is run by hand makes its job at once, whatever it waits for, once for an Idempotency-Key", async () => {
  await put("nightly", { paused: true, overlap: "skip" });
  const run = (key: string) => tenant.fetch("/schedules/nightly/run", { method: "POST", headers: { "idempotency-key": key } });
  const answers = [await run("a"), await run("a"), await run("b")];
  expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
  const ids = await Promise.all(answers.map(async (answer) => ((await answer.json()) as { job_id: string }).job_id));
  expect(ids[0]).toBe(ids[1]);
  expect(new Set(ids).size).toBe(2);
  expect(await schedule("nightly")).toMatchObject({ last_job_id: ids[2], paused: true, next_run: null });
  expect(decodeId("job", ids[2] ?? "")).toBeDefined();
});
