import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sql } from "../../src/db/sql.ts";
import { cloneDatabase, type ClonedDatabase } from "../database.ts";
import { openEngine } from "../engine/engine.ts";
import { openPlatform, type Platform } from "../engine/platform.ts";
import { expectConsistent } from "./consistency.ts";
import { IN_EVERY_PUT, IN_EVERY_TASK } from "./places.ts";
import { endProcesses, startWorkerProcess, type Installation } from "./processes.ts";
import { STEP_TYPES, type StepType } from "./step-types.ts";

/**
 * A worker process is killed at every failpoint that a task comes by, for every type of step. Another one takes the task
 * over within 20 s; the job ends as if nothing had happened, and nobody is charged an attempt.
 */
interface Case {
  readonly type: StepType;
  readonly failpoint: string;
  readonly tenantId: string;
  readonly lane: string;
  readonly jobId: string;
}

const TAKEN_OVER_WITHIN_MS = 20_000;
const ENDS_WITHIN_MS = 60_000;
/** Workers that die at the same time: with more, two cores only share the same time among them. */
const AT_ONCE = 3;

/** Every type of step at every failpoint, as nightly; otherwise one type at each, another at the next. */
const IS_WHOLE = process.env["FULL_MATRIX"] === "1";
const PLACES: readonly string[] = [...IN_EVERY_TASK, ...IN_EVERY_PUT];
/** Failpoints whose victims one healthy worker inherits: its start costs as much as theirs. */
const ROUNDS = IS_WHOLE ? PLACES.map((at) => ({ at, failpoints: [at] })) : [{ at: "every failpoint", failpoints: PLACES }];

let clone: ClonedDatabase;
let platform: Platform;
let admin: pg.Client;
let at: Installation;
let lanes = 0;
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

async function prepare(type: StepType, failpoint: string): Promise<Case> {
  const tenantId = await openEngine(clone.database).tenant();
  const extension = type.name.includes("table") ? "csv" : "txt";
  const files = await Promise.all(type.inputs.map((text, index) => platform.put(tenantId, `in-${index}.${extension}`, text)));
  const lane = `lane-${++lanes}`;
  return { type, failpoint, tenantId, lane, jobId: await platform.submit(tenantId, type.pipeline(lane), files) };
}

/** Resolves to when it was dead, by performance.now(). */
async function dieAt({ lane, failpoint }: Case): Promise<number> {
  const worker = startWorkerProcess(at, { lanes: [lane], failpoint: `${failpoint}:kill` });
  const { signal } = await worker.exited;
  expect(signal, `${failpoint} was not reached:\n${worker.output()}`).toBe("SIGKILL");
  return performance.now();
}

async function inTurns<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = all.entries();
  const turn = async () => {
    for (const [index, one] of queue) results[index] = await work(one);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, turn));
  return results;
}

/** A healthy worker for all of them, until their jobs have ended. */
async function finish(cases: readonly Case[]): Promise<void> {
  const worker = startWorkerProcess(at, { lanes: cases.map((one) => one.lane), slots: 2 });
  const statuses = await Promise.all(cases.map((one) => platform.ended(one.jobId, ENDS_WITHIN_MS)));
  await worker.ready;
  worker.signal("SIGTERM");
  expect((await worker.exited).code, worker.output()).toBe(0);
  expect(statuses).toEqual(cases.map(() => "completed"));
}

/** Shortens the wait for leases of workers that are dead for certain. */
async function expireLeases(cases: readonly Case[]): Promise<void> {
  await admin.query("UPDATE filemill.tasks SET lease_until = now() - interval '1 second' WHERE status = 'running' AND lane = ANY($1)", [
    cases.map((one) => one.lane),
  ]);
}

interface TaskRow {
  readonly status: string;
  readonly epoch: number;
  readonly attempts: number;
  readonly losses: number;
}

async function expectRight({ type, failpoint, jobId, tenantId }: Case): Promise<void> {
  const what = `${type.name}, killed at ${failpoint}`;
  const { tasks, rows, files } = await clone.database.asSystem(async (transaction) => ({
    tasks: await transaction.query<TaskRow>(sql`SELECT status, epoch, attempts, losses FROM tasks WHERE job_id = ${jobId}::uuid`),
    rows: await transaction.query<{ id: string }>(sql`SELECT file_id AS id FROM outputs WHERE job_id = ${jobId}::uuid`),
    files: await transaction.query<{ id: string }>(sql`SELECT id FROM files WHERE job_id = ${jobId}::uuid`),
  }));
  expect(
    tasks.map((task) => [task.status, task.attempts]),
    what,
  ).toEqual(tasks.map(() => ["succeeded", 0]));
  // After its commit there is nothing to take over. A worker may hold a task ahead of the one that it runs; both are lost.
  const touched = tasks.filter((task) => task.epoch !== 1 || task.losses > 0).map(({ epoch, losses }) => ({ epoch, losses }));
  expect(touched, what).toEqual(touched.map(() => ({ epoch: 2, losses: 1 })));
  const isTakenOver = failpoint !== "none" && failpoint !== "commit-after-commit";
  if (isTakenOver) expect(touched.length, what).toBeGreaterThan(0);
  else if (failpoint === "none") expect(touched, what).toEqual([]);
  expect(rows.map((row) => row.id).sort(), what).toEqual(files.map((file) => file.id).sort());
  const outputs = (await platform.outputs(tenantId, jobId)).map((output) => output.text);
  expect(outputs, what).toEqual(expected.get(type.name));
}

/** By type: the outputs of a run without faults. */
const expected = new Map<string, readonly string[]>();

async function runWithoutFaults(): Promise<void> {
  const cases = await Promise.all(STEP_TYPES.map((type) => prepare(type, "none")));
  await finish(cases);
  for (const { type, tenantId, jobId } of cases) {
    const outputs = (await platform.outputs(tenantId, jobId)).map((output) => output.text);
    if (type.outputs) expect(outputs, type.name).toEqual(type.outputs);
    expect(outputs.length).toBeGreaterThan(0);
    expected.set(type.name, outputs);
  }
}

describe("a worker that is killed", { timeout: 180_000 }, () => {
  beforeAll(runWithoutFaults, 60_000);

  test("anywhere is replaced by another within 20 s, for every type of step", async () => {
    const cases = await Promise.all(
      STEP_TYPES.map((type, index) => prepare(type, ["task-after-run", "commit-before-commit", "commit-after-hold"][index % 3] ?? "")),
    );
    const deaths = await inTurns(cases, dieAt);
    const takenOver = Promise.all(
      cases.map(async ({ jobId }, index) => {
        await expect.poll(() => highestEpoch(jobId), { timeout: 2 * TAKEN_OVER_WITHIN_MS, interval: 50 }).toBe(2);
        return performance.now() - (deaths[index] ?? 0);
      }),
    );
    await finish(cases);
    expect(Math.max(...(await takenOver))).toBeLessThanOrEqual(TAKEN_OVER_WITHIN_MS);
    for (const one of cases) await expectRight(one);
  });

  test.each(ROUNDS)("at $at leaves one set of right outputs and costs no attempt", async ({ failpoints }) => {
    const cases = await Promise.all(failpoints.flatMap((failpoint) => typesAt(failpoint).map((type) => prepare(type, failpoint))));
    await inTurns(cases, dieAt);
    await expireLeases(cases);
    await finish(cases);
    for (const one of cases) await expectRight(one);
  });

  test("has left nothing in the store that garbage collection does not find", async () => {
    await expectConsistent(clone.database, platform.storeFolder);
  });
});

function typesAt(failpoint: string): readonly StepType[] {
  const inPut = (IN_EVERY_PUT as readonly string[]).includes(failpoint);
  const types = STEP_TYPES.filter((type) => type.large || !inPut);
  return IS_WHOLE ? types : types.filter((_type, index) => index === PLACES.indexOf(failpoint) % types.length);
}

async function highestEpoch(jobId: string): Promise<number | undefined> {
  const [row] = await clone.database.asSystem((transaction) =>
    transaction.query<{ epoch: number }>(sql`SELECT max(epoch) AS epoch FROM tasks WHERE job_id = ${jobId}::uuid`),
  );
  return row?.epoch;
}
