import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { sql } from "../db/sql.ts";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { emitted, failed, map, openEngine, type Engine } from "../../test/engine/engine.ts";
import { mapThenGather, ONE_MAP } from "../../test/engine/plans.ts";
import { LEASE_MS, MAX_LOSSES } from "./lease.ts";
import { openServerAge, type ServerAge } from "../../test/engine/server-age.ts";
import { adoptExpired, endBackoffs, reapExpired } from "./reap.ts";
import type { ClaimedTask } from "./task.ts";

const UNDERTAKER = "00000000-0000-4000-8000-000000000009";

let clone: ClonedDatabase;
let engine: Engine;
let server: ServerAge;
let tenantId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  server = await openServerAge(clone);
});
afterAll(() => clone.close());
beforeEach(async () => {
  await engine.rows(sql`UPDATE tasks SET status = 'cancelled' WHERE status IN ('ready', 'running')`);
  tenantId = await engine.tenant();
});

async function claimed(): Promise<ClaimedTask> {
  const [task] = await engine.claim({ want: 1 });
  if (!task) throw new Error("there was nothing to claim");
  return task;
}

const submit = async (items: number) => await engine.submit(tenantId, ONE_MAP, await engine.files(tenantId, items));
const expire = (id: string) => engine.rows(sql`UPDATE tasks SET lease_until = now() - interval '1 ms' WHERE id = ${id}::uuid`);
const reap = () => server.asSystem(reapExpired);
const adopt = () => server.asSystem((transaction) => adoptExpired(transaction, UNDERTAKER));
const lost = () => ({
  type: "failed" as const,
  failure: { class: "lost" as const, code: "lost" as const, message: "lost too often" },
  step: null,
  culprit: undefined,
});
const tasksOf = (jobId: string) =>
  engine.rows<{
    status: string;
    epoch: number;
    losses: number;
    attempts: number;
    items: number;
    error: { code: string; class: string } | null;
  }>(sql`SELECT status, epoch, losses, attempts, items, error FROM tasks WHERE job_id = ${jobId}::uuid ORDER BY id`);

describe("an expired lease", () => {
  test("makes the task ready at once, counts a loss and no attempt, and the next claim has epoch 2", async () => {
    const jobId = await submit(1);
    const task = await claimed();
    expect(await reap()).toEqual({ lanes: new Set(), reaped: 0 });
    await expire(task.id);
    expect(await reap()).toEqual({ lanes: new Set(["default"]), reaped: 1 });
    expect(await tasksOf(jobId)).toMatchObject([{ status: "ready", epoch: 1, losses: 1, attempts: 0, error: { code: "lost" } }]);
    expect(await claimed()).toMatchObject({ id: task.id, epoch: 2, losses: 1, attempts: 0 });
  });

  test("is judged by the database's clock alone: one that ends in its future stays, whatever clock the caller has", async () => {
    const jobId = await submit(1);
    const task = await claimed();
    const farAhead = Date.now;
    Date.now = () => farAhead() + 3_600_000;
    try {
      expect((await reap()).reaped).toBe(0);
      expect(await adopt()).toEqual([]);
    } finally {
      Date.now = farAhead;
    }
    const [row] = await engine.rows<{ ms: number }>(
      sql`SELECT extract(epoch FROM lease_until - started_at)::float8 * 1000 AS ms FROM tasks WHERE id = ${task.id}::uuid`,
    );
    expect(row?.ms).toBe(LEASE_MS);
    expect(await tasksOf(jobId)).toMatchObject([{ status: "running", losses: 0 }]);
  });

  test("is left alone for one lease time after the server's own start, when nobody could have renewed it", async () => {
    await submit(2);
    const task = await claimed();
    await expire(task.id);
    await engine.rows(sql`UPDATE tasks SET losses = 1 WHERE id = ${task.id}::uuid`);
    const young = LEASE_MS - 1;
    expect((await server.asSystem(reapExpired, young)).reaped).toBe(0);
    expect(await server.asSystem((transaction) => adoptExpired(transaction, UNDERTAKER), young)).toEqual([]);
    expect(await server.asSystem((transaction) => adoptExpired(transaction, UNDERTAKER), LEASE_MS + 1)).toMatchObject([{ id: task.id }]);
  });

  test("is taken once by eight reapers at once", async () => {
    const jobId = await engine.submit(
      tenantId,
      { stages: ONE_MAP.stages.map((stage) => ({ ...stage, batch: { items: 1 } })) },
      await engine.files(tenantId, 100),
    );
    await engine.claim({ want: 100 });
    await engine.rows(sql`UPDATE tasks SET lease_until = now() - interval '1 ms' WHERE job_id = ${jobId}::uuid`);
    const rounds = await Promise.all(Array.from({ length: 8 }, reap));
    expect(rounds.reduce((sum, round) => sum + round.reaped, 0)).toBe(100);
    expect(new Set((await tasksOf(jobId)).map((task) => `${task.status} ${task.losses}`))).toEqual(new Set(["ready 1"]));
  });

  test("kills a single item at the fifth loss, as lost and without an attempt", async () => {
    const jobId = await submit(1);
    for (let loss = 1; loss < MAX_LOSSES; loss++) {
      await expire((await claimed()).id);
      expect(await adopt()).toEqual([]);
      expect((await reap()).reaped).toBe(1);
    }
    await expire((await claimed()).id);
    expect((await reap()).reaped).toBe(0);
    const adopted = await adopt();
    expect(adopted).toMatchObject([{ epoch: MAX_LOSSES + 1, losses: MAX_LOSSES }]);
    await engine.settle(adopted, lost, UNDERTAKER);
    expect(await tasksOf(jobId)).toMatchObject([
      { status: "dead", attempts: 0, losses: MAX_LOSSES, error: { code: "lost", class: "lost" } },
    ]);
    expect(await engine.rows(sql`SELECT status FROM jobs WHERE id = ${jobId}::uuid`)).toEqual([{ status: "failed" }]);
  });

  test("kills a reduce at the fifth loss as well", async () => {
    const jobId = await engine.submit(tenantId, mapThenGather(), await engine.files(tenantId, 3));
    await engine.settle(
      [await claimed()],
      map(() => emitted("a")),
    );
    for (let loss = 1; loss < MAX_LOSSES; loss++) {
      await expire((await claimed()).id);
      expect((await reap()).reaped).toBe(1);
    }
    await expire((await claimed()).id);
    await engine.settle(await adopt(), lost, UNDERTAKER);
    expect((await tasksOf(jobId)).map((task) => task.status)).toEqual(["succeeded", "dead"]);
  });

  test("splits a batch at its second loss, until the item that takes its workers down dies alone", async () => {
    const jobId = await submit(8);
    const poison = 5;
    for (let round = 0; round < 60; round++) {
      await reap();
      await engine.settle(await adopt(), lost, UNDERTAKER);
      const tasks = await engine.claim({ want: 16 });
      if (tasks.length === 0) break;
      const hit = (task: ClaimedTask) => task.entries.some((entry) => entry.ordinal === poison);
      for (const task of tasks.filter(hit)) await expire(task.id);
      await engine.settle(
        tasks.filter((task) => !hit(task)),
        map(() => emitted()),
      );
    }
    const tasks = await tasksOf(jobId);
    expect(tasks.filter((task) => task.status === "dead")).toMatchObject([{ items: 1, attempts: 0, error: { code: "lost" } }]);
    const [stage] = await engine.rows(sql`SELECT items_succeeded, items_dead, open_tasks FROM job_stages WHERE job_id = ${jobId}::uuid`);
    expect(stage).toEqual({ items_succeeded: 7, items_dead: 1, open_tasks: 0 });
  });

  test("that is adopted fences out the worker that had it", async () => {
    await submit(4);
    const first = await claimed();
    await expire(first.id);
    await reap();
    const second = await claimed();
    await expire(second.id);
    const adopted = await adopt();
    expect(adopted).toMatchObject([{ id: first.id, epoch: 3 }]);
    for (const zombie of [first, second])
      expect(
        (
          await engine.settle(
            [zombie],
            map(() => emitted()),
          )
        ).size,
      ).toBe(0);
    expect((await engine.settle(adopted, lost, UNDERTAKER)).size).toBe(1);
  });
});

describe("backoffs", () => {
  test("grow by two, with jitter, from one second on", async () => {
    await engine.submit(
      tenantId,
      { stages: ONE_MAP.stages.map((stage) => ({ ...stage, attempts: 10, batch: { items: 1 } })) },
      await engine.files(tenantId, 40),
    );
    for (let attempt = 1; attempt <= 3; attempt++) {
      await engine.settle(
        await engine.claim({ want: 64 }),
        map(() => failed()),
      );
      const waits = await engine.rows<{ ms: number }>(
        sql`SELECT extract(epoch FROM run_at - now())::float8 * 1000 AS ms FROM tasks WHERE backing_off AND tenant_id = ${tenantId}::uuid`,
      );
      const nominal = 1_000 * 2 ** (attempt - 1);
      expect(waits).toHaveLength(40);
      expect(Math.max(...waits.map((wait) => wait.ms))).toBeLessThanOrEqual(nominal * 1.5);
      expect(Math.max(...waits.map((wait) => wait.ms)) - Math.min(...waits.map((wait) => wait.ms))).toBeGreaterThan(nominal / 4);
      await engine.skipBackoffs();
    }
  });

  test("end when their time has come, not before, and only then the task can be claimed", async () => {
    const jobId = await submit(1);
    const task = await claimed();
    await engine.settle(
      [task],
      map(() => failed()),
    );
    await engine.rows(sql`UPDATE tasks SET run_at = now() + interval '1 minute' WHERE id = ${task.id}::uuid`);
    expect(await engine.database.asSystem(endBackoffs)).toEqual(new Set());
    expect(await engine.claim()).toEqual([]);
    await engine.rows(sql`UPDATE tasks SET run_at = now() - interval '1 ms' WHERE id = ${task.id}::uuid`);
    expect(await engine.database.asSystem(endBackoffs)).toEqual(new Set(["default"]));
    expect(await claimed()).toMatchObject({ id: task.id, jobId, epoch: 2, attempts: 1 });
  });
});

test("a worker that dies between adopting and burying only delays the burial", async () => {
  const jobId = await submit(4);
  for (const _loss of [1, 2]) {
    await expire((await claimed()).id);
    await reap();
  }
  const [first] = await adopt();
  if (!first) throw new Error("nothing was adopted");
  await expire(first.id);
  const [second] = await server.asSystem((transaction) => adoptExpired(transaction, uuidv7()));
  expect(second).toMatchObject({ id: first.id, epoch: first.epoch + 1 });
  expect((await tasksOf(jobId))[0]).toMatchObject({ status: "running" });
});
