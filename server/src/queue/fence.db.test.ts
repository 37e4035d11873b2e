import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { sql } from "../db/sql.ts";
import { cancelJob } from "../jobs/cancel.ts";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { emitted, map, openEngine, type Engine } from "../../test/engine/engine.ts";
import { ONE_MAP } from "../../test/engine/plans.ts";
import { openServerAge, type ServerAge } from "../../test/engine/server-age.ts";
import { hold } from "./hold.ts";
import { reapExpired } from "./reap.ts";
import { release } from "./release.ts";
import { lostLeases, renew } from "./renew.ts";
import type { ClaimedTask } from "./task.ts";

const ME = "00000000-0000-4000-8000-000000000001";
const OTHER = "00000000-0000-4000-8000-000000000002";

let clone: ClonedDatabase;
let engine: Engine;
let server: ServerAge;
let tenantId: string;
/** The task as it was claimed by ME, whatever became of it since. */
let task: ClaimedTask;
let jobId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  server = await openServerAge(clone);
});
afterAll(() => clone.close());
beforeEach(async () => {
  await engine.rows(sql`UPDATE tasks SET status = 'cancelled' WHERE status IN ('ready', 'running')`);
  tenantId = await engine.tenant();
  jobId = await engine.submit(tenantId, ONE_MAP, await engine.files(tenantId, 3));
  task = await claimedBy(ME);
});

async function claimedBy(workerId: string): Promise<ClaimedTask> {
  const [claimed] = await engine.claim({ workerId });
  if (!claimed) throw new Error("there was nothing to claim");
  return claimed;
}

interface TaskRow {
  readonly status: string;
  readonly epoch: number;
  readonly attempts: number;
  readonly losses: number;
  readonly worker_id: string | null;
  readonly lease_until: Date | null;
}

async function rowOf(id: string): Promise<TaskRow> {
  const [row] = await engine.rows<TaskRow>(
    sql`SELECT status, epoch, attempts, losses, worker_id, lease_until FROM tasks WHERE id = ${id}::uuid`,
  );
  if (!row) throw new Error(`task ${id} is gone`);
  return row;
}

const expireLease = () => engine.rows(sql`UPDATE tasks SET lease_until = now() - interval '1 ms' WHERE id = ${task.id}::uuid`);
const leaseOf = (one: Pick<ClaimedTask, "id" | "epoch">) => ({ taskId: one.id, epoch: one.epoch });

/** How the lease may have been lost, and who then writes under which epoch. */
const LOST: readonly [string, () => Promise<{ workerId?: string; epoch?: number }>][] = [
  ["an epoch that was never reached", async () => ({ epoch: task.epoch + 1 })],
  ["an epoch before the current one", async () => ({ epoch: task.epoch - 1 })],
  ["another worker", async () => ({ workerId: OTHER })],
  [
    "the same worker, which has the task again under a later epoch",
    async () => {
      await release1(0);
      expect((await claimedBy(ME)).epoch).toBe(task.epoch + 1);
      return {};
    },
  ],
  [
    "a worker whose task another has by now",
    async () => {
      await expireLease();
      await server.asSystem(reapExpired);
      await claimedBy(OTHER);
      return {};
    },
  ],
  [
    "a task that was cancelled",
    async () => {
      await cancelJob(clone.database, { tenantId, jobId, actor: "key_test" });
      return {};
    },
  ],
  [
    "a task that was reaped and waits",
    async () => {
      await expireLease();
      await server.asSystem(reapExpired);
      return {};
    },
  ],
  [
    "a task that was handed back",
    async () => {
      await release1(0);
      return {};
    },
  ],
  [
    "a task that was settled already",
    async () => {
      await engine.settle(
        [task],
        map(() => emitted()),
        ME,
      );
      return {};
    },
  ],
];

const release1 = (delayMs: number) =>
  engine.database.asSystem((transaction) => release(transaction, { workerId: ME, leases: [leaseOf(task)], delayMs }));

describe.each(LOST)("the fence against %s", (_name, lose) => {
  test("nothing is held, renewed, released or settled, and nothing changes", async () => {
    const { workerId = ME, epoch = task.epoch } = await lose();
    const leases = [{ taskId: task.id, epoch }];
    const everything = sql`
      SELECT (SELECT json_agg(tasks ORDER BY id) FROM tasks WHERE job_id = ${jobId}::uuid)::text AS tasks,
        (SELECT json_agg(job_stages ORDER BY stage) FROM job_stages WHERE job_id = ${jobId}::uuid)::text AS stages,
        (SELECT count(*) FROM files) AS files, (SELECT count(*) FROM events) AS events`;
    const before = await engine.rows(everything);
    expect(await engine.database.asSystem((transaction) => hold(transaction, workerId, leases))).toEqual(new Set());
    expect(await engine.database.asSystem((transaction) => renew(transaction, workerId, leases))).toEqual({
      renewed: new Set(),
      lost: new Set([task.id]),
    });
    expect(await engine.database.asSystem((transaction) => lostLeases(transaction, workerId, leases))).toEqual(new Set([task.id]));
    expect(await engine.database.asSystem((transaction) => release(transaction, { workerId, leases, delayMs: 0 }))).toEqual(new Set());
    expect(
      await engine.settle(
        [{ ...task, epoch }],
        map(() => emitted()),
        workerId,
      ),
    ).toEqual(new Set());
    expect(await engine.rows(everything)).toEqual(before);
  });
});

test("a lease that is held is held, renewed and not lost", async () => {
  const lease = leaseOf(task);
  expect(await engine.database.asSystem((transaction) => hold(transaction, ME, [lease]))).toEqual(new Set([task.id]));
  expect(await engine.database.asSystem((transaction) => lostLeases(transaction, ME, [lease]))).toEqual(new Set());
  await engine.rows(sql`UPDATE tasks SET lease_until = now() + interval '1 s' WHERE id = ${task.id}::uuid`);
  const before = await rowOf(task.id);
  expect(await engine.database.asSystem((transaction) => renew(transaction, ME, [lease]))).toEqual({
    renewed: new Set([task.id]),
    lost: new Set(),
  });
  const after = await rowOf(task.id);
  expect(Number(after.lease_until) - Number(before.lease_until)).toBeGreaterThan(10_000);
  expect(
    await engine.settle(
      [task],
      map(() => emitted()),
      ME,
    ),
  ).toEqual(new Set([task.id]));
});

test("renewal tells exactly which leases are lost, and leaves one whose row is locked just now for the next round", async () => {
  await engine.submit(tenantId, ONE_MAP, await engine.files(tenantId, 150));
  const more = await engine.claim({ workerId: ME });
  const [cancelled, locked, kept] = more;
  if (!cancelled || !locked || !kept) throw new Error("150 files make three tasks");
  await engine.rows(sql`UPDATE tasks SET status = 'cancelled' WHERE id = ${cancelled.id}::uuid`);
  const leases = [task, cancelled, locked, kept].map(leaseOf);
  const renewal = await engine.database.asSystem(async (holding) => {
    await holding.query(sql`SELECT 1 FROM tasks WHERE id = ${locked.id}::uuid FOR UPDATE`);
    return await engine.database.asSystem((transaction) => renew(transaction, ME, leases));
  });
  expect(renewal).toEqual({ renewed: new Set([task.id, kept.id]), lost: new Set([cancelled.id]) });
});

test("of two workers that both believe to have the task, one settles it, however their transactions meet", async () => {
  await expireLease();
  await server.asSystem(reapExpired);
  const again = await claimedBy(OTHER);
  const [zombie, owner] = await Promise.all([
    engine.settle(
      [task],
      map(() => emitted()),
      ME,
    ),
    engine.settle(
      [again],
      map(() => emitted()),
      OTHER,
    ),
  ]);
  expect([zombie.size, owner.size]).toEqual([0, 1]);
  expect(
    (await engine.rows<{ items_succeeded: number }>(sql`SELECT items_succeeded FROM job_stages WHERE job_id = ${jobId}::uuid`))[0],
  ).toEqual({
    items_succeeded: 3,
  });
});

test("handing back burns nothing, and with a delay the task waits by the database's clock", async () => {
  await release1(0);
  expect(await rowOf(task.id)).toEqual({ status: "ready", epoch: 1, attempts: 0, losses: 0, worker_id: null, lease_until: null });
  task = await claimedBy(ME);
  expect(task).toMatchObject({ epoch: 2, attempts: 0, losses: 0 });
  await release1(60_000);
  expect(await engine.claim({ workerId: uuidv7() })).toEqual([]);
  const [row] = await engine.rows<{ ms: number; backing_off: boolean }>(
    sql`SELECT extract(epoch FROM run_at - now())::float8 * 1000 AS ms, backing_off FROM tasks WHERE id = ${task.id}::uuid`,
  );
  expect(row?.backing_off).toBe(true);
  expect(row?.ms).toBeGreaterThan(28_000);
  expect(row?.ms).toBeLessThan(90_000);
});

test("hand-backs for trouble are counted and wait longer each time, up to a minute; drains are not counted", async () => {
  const waits: number[] = [];
  for (let count = 0; count < 8; count++) {
    await release1(2_000);
    const [row] = await engine.rows<{ handbacks: number; ms: number }>(
      sql`SELECT handbacks, extract(epoch FROM run_at - now())::float8 * 1000 AS ms FROM tasks WHERE id = ${task.id}::uuid`,
    );
    expect(row?.handbacks).toBe(count + 1);
    waits.push(row?.ms ?? 0);
    await engine.rows(sql`UPDATE tasks SET backing_off = false WHERE id = ${task.id}::uuid`);
    task = await claimedBy(ME);
  }
  waits.forEach((ms, count) => {
    const middle = Math.min(60_000, 2_000 * 2 ** count);
    expect(ms).toBeGreaterThan(middle * 0.5 - 500);
    expect(ms).toBeLessThan(middle * 1.5);
  });
  await release1(0);
  expect(await claimedBy(ME)).toMatchObject({ attempts: 0, losses: 0, handbacks: 8 });
});
