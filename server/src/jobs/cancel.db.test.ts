import { afterAll, beforeAll, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine, type Engine } from "../../test/engine/engine.ts";
import { ONE_MAP, stage, step } from "../../test/engine/plans.ts";
import { listen } from "../db/notifications.ts";
import { sql } from "../db/sql.ts";
import { CANCEL_CHANNEL, cancelJob, finishSweeps, sweepTasks } from "./cancel.ts";

const TASKS = 12_000;
const ONE_EACH = { stages: [stage(0, [step("a")], { batch: { items: 1 } })] };

let clone: ClonedDatabase;
let engine: Engine;
let tenantId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  tenantId = await engine.tenant();
});
afterAll(() => clone.close());

interface Count {
  readonly status: string;
  readonly tasks: number;
}

const countsOf = (jobId: string) =>
  engine.rows<Count>(sql`SELECT status, count(*) AS tasks FROM tasks WHERE job_id = ${jobId}::uuid GROUP BY status ORDER BY status`);

async function largeJob(): Promise<{ tenantId: string; jobId: string; actor: string }> {
  const jobId = await engine.submit(tenantId, ONE_EACH, await engine.files(tenantId, TASKS));
  return { tenantId, jobId, actor: "key_test" };
}

test("a cancellation ends what runs and tells the workers first, and then all the rest of a large job", async () => {
  const job = await largeJob();
  const [task] = await engine.claim({ want: 1 });
  const told = Promise.withResolvers<void>();
  const ready = Promise.withResolvers<void>();
  const ears = listen(clone.database, { channels: [CANCEL_CHANNEL], onUp: ready.resolve, onNotification: () => told.resolve() });
  await ready.promise;
  const { rest } = await cancelJob(clone.database, job);
  await told.promise;
  await ears.close();
  const [running] = await engine.rows<{ status: string }>(sql`SELECT status FROM tasks WHERE id = ${task?.id ?? ""}::uuid`);
  expect(running?.status).toBe("cancelled");
  await rest;
  expect(await countsOf(job.jobId)).toEqual([{ status: "cancelled", tasks: TASKS }]);
  expect(await engine.rows(sql`SELECT * FROM lane_backlog`)).toEqual([]);
}, 60_000);

test("a sweep takes 5,000 waiting tasks at most, the last ones first, and says whether there are more", async () => {
  const { jobId } = await largeJob();
  const sweep = () => clone.database.asSystem((transaction) => sweepTasks(transaction, [jobId]));
  expect(await sweep()).toBe(true);
  expect(await countsOf(jobId)).toEqual([
    { status: "cancelled", tasks: 5_000 },
    { status: "ready", tasks: TASKS - 5_000 },
  ]);
  const [left] = await engine.rows<{ last: number }>(
    sql`SELECT max(item_to) AS last FROM tasks WHERE job_id = ${jobId}::uuid AND status = 'ready'`,
  );
  expect(left?.last).toBe(TASKS - 5_001);
  expect(await sweep()).toBe(true);
  expect(await sweep()).toBe(false);
  expect(await countsOf(jobId)).toEqual([{ status: "cancelled", tasks: TASKS }]);
}, 60_000);

test("two sweepers share the tasks, and one does not wait for tasks that are being claimed", async () => {
  const job = await largeJob();
  const jobId = job.jobId;
  await clone.database.asSystem(async (transaction) => {
    await transaction.query(sql`SELECT FROM tasks WHERE job_id = ${jobId}::uuid AND item_from >= ${TASKS - 10} FOR UPDATE`);
    const sweeps = [1, 2].map(() => clone.database.asSystem((other) => sweepTasks(other, [jobId])));
    expect(await Promise.all(sweeps)).toEqual([true, true]);
  });
  expect(await countsOf(jobId)).toEqual([
    { status: "cancelled", tasks: 10_000 },
    { status: "ready", tasks: 2_000 },
  ]);
  const { rest } = await cancelJob(clone.database, job);
  await rest;
  expect(await countsOf(jobId)).toEqual([{ status: "cancelled", tasks: TASKS }]);
}, 60_000);

test("of a small job everything has ended at once", async () => {
  const jobId = await engine.submit(tenantId, ONE_MAP, await engine.files(tenantId, 120));
  await cancelJob(clone.database, { tenantId, jobId, actor: "key_test" });
  expect(await countsOf(jobId)).toEqual([{ status: "cancelled", tasks: 3 }]);
});

test("a cancellation that died behind its first bite is ended by whoever looks for such jobs, even where tasks only wait", async () => {
  const job = await largeJob();
  await engine.rows(sql`UPDATE tasks SET status = 'waiting' WHERE job_id = ${job.jobId}::uuid`);
  // What the first two transactions leave behind.
  await engine.rows(sql`UPDATE job_stages SET status = 'cancelled' WHERE job_id = ${job.jobId}::uuid`);
  await engine.rows(
    sql`UPDATE jobs SET status = 'cancelled', finished_at = now() - interval '5 s', sweeping = true WHERE id = ${job.jobId}::uuid`,
  );
  await clone.database.asSystem((transaction) => sweepTasks(transaction, [job.jobId]));
  expect(await finishSweeps(clone.database, 60_000)).toBe(0);
  expect(await Promise.all([1, 2].map(() => finishSweeps(clone.database, 1_000)))).toContain(1);
  expect(await countsOf(job.jobId)).toEqual([{ status: "cancelled", tasks: TASKS }]);
  expect(await finishSweeps(clone.database, 1_000)).toBe(0);
}, 60_000);

test("of a cancellation that ended there is nothing left to sweep", async () => {
  const job = await largeJob();
  const { rest } = await cancelJob(clone.database, job);
  await rest;
  expect(await engine.rows(sql`SELECT id FROM jobs WHERE sweeping`)).toEqual([]);
}, 60_000);
