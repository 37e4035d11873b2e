import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../database.ts";
import { openEngine } from "../engine/engine.ts";
import { openPlatform, type Platform } from "../engine/platform.ts";
import { expectConsistent } from "./consistency.ts";
import type { IN_A_WORKERS_LIFE } from "./places.ts";
import { endProcesses, startWorkerProcess, type Installation, type RealProcess } from "./processes.ts";

/** Kills of a worker beside its tasks: when it comes, goes, hands back, looks after the dead, and drops what is not its own. */
const LARGE = "x".repeat(40_000);

let clone: ClonedDatabase;
let platform: Platform;
let admin: pg.Client;
let at: Installation;
beforeAll(async () => {
  clone = await cloneDatabase();
  platform = await openPlatform(clone.database);
  admin = new pg.Client({ connectionString: clone.adminUrl });
  await admin.connect();
  const dataFolder = await mkdtemp(join(tmpdir(), "filemill-failpoints-"));
  at = { databaseUrl: clone.url, storeFolder: platform.storeFolder, dataFolder };
});
afterAll(async () => {
  await endProcesses();
  await admin.end();
  await platform.close();
  await clone.close();
  await rm(at.dataFolder, { recursive: true, force: true });
});

async function submit(lane: string, steps: Record<string, object>, inputs = 1): Promise<string> {
  const tenantId = await openEngine(clone.database).tenant();
  const files = await Promise.all(Array.from({ length: inputs }, (_unused, index) => platform.put(tenantId, `in-${index}.txt`, LARGE)));
  const inLane = Object.fromEntries(Object.entries(steps).map(([name, step]) => [name, { ...step, lane }]));
  return await platform.submit(tenantId, { steps: inLane } as Parameters<Platform["submit"]>[1], files);
}

const start = (lane: string, failpoint?: string) =>
  startWorkerProcess(at, { lanes: [lane], ...(failpoint !== undefined && { failpoint: `${failpoint}:kill` }) });

async function expectKilled(worker: RealProcess): Promise<void> {
  expect((await worker.exited).signal, worker.output()).toBe("SIGKILL");
}

async function tasksOf(jobId: string) {
  const { rows } = await admin.query<{ status: string; epoch: number; attempts: number; losses: number }>(
    "SELECT status, epoch, attempts, losses FROM filemill.tasks WHERE job_id = $1 ORDER BY id",
    [jobId],
  );
  return rows;
}

/** The lease of a worker that is dead for certain ends now. */
const expire = (jobId: string) =>
  admin.query("UPDATE filemill.tasks SET lease_until = now() - interval '1 second' WHERE status = 'running' AND job_id = $1", [jobId]);

async function finish(lane: string, jobId: string): Promise<void> {
  const worker = start(lane);
  expect(await platform.ended(jobId, 60_000)).toBe("completed");
  await worker.ready;
  worker.signal("SIGTERM");
  expect((await worker.exited).code, worker.output()).toBe(0);
}

const COPY = { copy: { use: "demo.copy" } };
const SLEEP = { sleep: { use: "demo.sleep", with: { ms: 4_000 } } };

const scenarios: Record<(typeof IN_A_WORKERS_LIFE)[number], (failpoint: string) => Promise<void>> = {
  async "worker-after-register"(failpoint) {
    const jobId = await submit(failpoint, COPY);
    await expectKilled(start(failpoint, failpoint));
    await finish(failpoint, jobId);
    expect(await tasksOf(jobId)).toEqual([{ status: "succeeded", epoch: 1, attempts: 0, losses: 0 }]);
  },
  "release-before-commit": (failpoint) => drained(failpoint, 1),
  "release-after-commit": (failpoint) => drained(failpoint, 0),
  async "drain-before-gone"(failpoint) {
    const worker = start(failpoint, failpoint);
    await worker.port;
    worker.signal("SIGTERM");
    await expectKilled(worker);
    const { rows } = await admin.query("SELECT status FROM filemill.workers WHERE lanes = ARRAY[$1]", [failpoint]);
    expect(rows).toEqual([{ status: "draining" }]);
  },
  "reap-before-commit": reaped,
  "reap-after-commit": reaped,
  async "adopt-after-commit"(failpoint) {
    const jobId = await submit(failpoint, COPY, 2);
    // Lost twice, a batch is not simply run again but taken over and split.
    for (let loss = 0; loss < 2; loss++) {
      await expectKilled(start(failpoint, "task-after-claim"));
      await expire(jobId);
    }
    await expectKilled(start("nothing", failpoint));
    await expire(jobId);
    await finish(failpoint, jobId);
    const tasks = await tasksOf(jobId);
    expect(tasks.length).toBeGreaterThan(1);
    expect(tasks.every((task) => task.attempts === 0)).toBe(true);
    const { rows } = await admin.query("SELECT ordinal FROM filemill.outputs WHERE job_id = $1 ORDER BY ordinal", [jobId]);
    expect(rows).toEqual([{ ordinal: 0 }, { ordinal: 1 }]);
  },
  async "discard-before-delete"(failpoint) {
    const jobId = await submit(failpoint, COPY);
    // The job is cancelled while its completion waits for the row of the stage.
    const canceller = new pg.Client({ connectionString: clone.adminUrl });
    await canceller.connect();
    await canceller.query("BEGIN");
    await canceller.query("SELECT FROM filemill.job_stages WHERE job_id = $1 FOR UPDATE", [jobId]);
    const worker = start(failpoint, failpoint);
    const waiting =
      "SELECT FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())";
    await expect.poll(() => admin.query(waiting).then(({ rowCount }) => rowCount), { timeout: 30_000 }).toBeGreaterThan(0);
    await canceller.query("UPDATE filemill.job_stages SET status = 'cancelled' WHERE job_id = $1", [jobId]);
    await canceller.query("UPDATE filemill.jobs SET status = 'cancelled', finished_at = now() WHERE id = $1", [jobId]);
    await canceller.query("COMMIT");
    await canceller.end();
    await expectKilled(worker);
    const { rows } = await admin.query("SELECT FROM filemill.outputs WHERE job_id = $1", [jobId]);
    expect(rows).toEqual([]);
    // Whoever gets the task sweeps it.
    await expire(jobId);
    const next = start(failpoint);
    await expect.poll(() => tasksOf(jobId).then(([task]) => task?.status), { timeout: 30_000 }).toBe("cancelled");
    next.signal("SIGTERM");
    await next.exited;
  },
};

describe("a worker that is killed", { timeout: 120_000 }, () => {
  test.each(Object.entries(scenarios))("at %s", (failpoint, scenario) => scenario(failpoint));

  test("has left nothing in the store that garbage collection does not find", async () => {
    await expectConsistent(clone.database, platform.storeFolder);
  });
});

async function drained(failpoint: string, losses: number): Promise<void> {
  const jobId = await submit(failpoint, SLEEP);
  const worker = start(failpoint, failpoint);
  await expect.poll(() => tasksOf(jobId).then(([task]) => task?.status), { timeout: 30_000 }).toBe("running");
  worker.signal("SIGTERM");
  await expectKilled(worker);
  await expire(jobId);
  await finish(failpoint, jobId);
  expect(await tasksOf(jobId)).toEqual([{ status: "succeeded", epoch: 2, attempts: 0, losses }]);
}

/** The one who looks after the dead dies of it: the loss counts once. */
async function reaped(failpoint: string): Promise<void> {
  const jobId = await submit(failpoint, COPY);
  await expectKilled(start(failpoint, "task-after-claim"));
  await expire(jobId);
  await expectKilled(start("nothing", failpoint));
  await finish(failpoint, jobId);
  expect(await tasksOf(jobId)).toEqual([{ status: "succeeded", epoch: 2, attempts: 0, losses: 1 }]);
}
