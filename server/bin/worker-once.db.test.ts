import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { decodeId, encodeId } from "@filemill/contract/ids.ts";
import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import { sql } from "../src/db/sql.ts";
import { readMetricTotals } from "../src/record/metric-sources.ts";
import { cloneDatabase, type ClonedDatabase } from "../test/database.ts";
import { openEngine } from "../test/engine/engine.ts";
import { openPlatform, type Platform } from "../test/engine/platform.ts";
import type { Installation } from "../test/failpoints/processes.ts";
import { endOneJobProcesses, startOneJobProcess } from "../test/one-job.ts";

/** One-job workers as processes; what they claim and adopt is tested in src/queue. */
vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 });

/** From the start of the process to a claim that has committed; 500 ms with nothing else running (bench row cold-worker). */
const CLAIMED_WITHIN_MS = 10_000;

let clone: ClonedDatabase;
let platform: Platform;
let at: Installation;
let tenantId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  platform = await openPlatform(clone.database);
  const dataFolder = await mkdtemp(join(tmpdir(), "filemill-once-"));
  at = { databaseUrl: clone.url, storeFolder: platform.storeFolder, dataFolder };
  tenantId = await openEngine(clone.database).tenant();
});
afterAll(async () => {
  await endOneJobProcesses();
  await platform.close();
  await clone.close();
  await rm(at.dataFolder, { recursive: true, force: true });
});

async function submit(steps: PipelineDocument["steps"], { lane, files = 1 }: { lane: string; files?: number }): Promise<string> {
  const inLane = Object.fromEntries(Object.entries(steps).map(([name, step]) => [name, { ...step, lane }]));
  const ids: string[] = [];
  for (let index = 0; index < files; index++) ids.push(await platform.put(tenantId, `${index}.txt`, `line ${index}\n`));
  return encodeId("job", await platform.submit(tenantId, { steps: inLane }, ids));
}

const once = (lane: string, options: { words?: readonly string[]; variables?: Record<string, string> } = {}) =>
  startOneJobProcess(at, "worker-once", { lane, ...options, variables: { FILEMILL_LOG_LEVEL: "error", ...options.variables } });

interface JobNow {
  readonly status: string;
  readonly succeeded: number;
  readonly epochs: number[];
}

async function jobNow(job: string): Promise<JobNow | undefined> {
  const [row] = await clone.database.asSystem((transaction) =>
    transaction.query<JobNow>(sql`
      SELECT status, (SELECT sum(items_succeeded)::int FROM job_stages WHERE job_id = jobs.id) AS succeeded,
        (SELECT array_agg(epoch ORDER BY id) FROM tasks WHERE job_id = jobs.id) AS epochs
      FROM jobs WHERE id = ${decodeId("job", job)}::uuid`),
  );
  return row;
}

async function workersOf(lane: string): Promise<number> {
  const [row] = await clone.database.asSystem((transaction) =>
    transaction.query<{ count: number }>(sql`SELECT count(*) FROM workers WHERE lanes = ARRAY[${lane}]`),
  );
  return row?.count ?? 0;
}

describe("ten started at once for ten jobs", () => {
  test("take one each, and each job is done once", async () => {
    const jobs = await Promise.all(Array.from({ length: 10 }, () => submit({ copy: { use: "demo.copy" } }, { lane: "ten" })));
    const ends = await Promise.all(Array.from({ length: 10 }, () => once("ten").ended));
    expect(ends.map(({ stdout }) => stdout.trim()).toSorted()).toEqual(jobs.toSorted());
    expect(ends.map(({ code }) => code)).toEqual(ends.map(() => 0));
    for (const job of jobs) expect(await jobNow(job)).toMatchObject({ status: "completed", succeeded: 1 });
    const late = await once("ten").ended;
    expect(late).toEqual({ code: 1, stdout: "", stderr: "No job waits in the lanes ten.\n" });
    const [holds] = await clone.database.asSystem((transaction) =>
      transaction.query<{ count: number }>(sql`SELECT count(*) FROM job_holds`),
    );
    expect(holds?.count).toBe(0);
    // None of them lives any more, and all that they counted is there.
    const counted = (await clone.database.asSystem(readMetricTotals)).flatMap(({ samples }) => samples);
    const ended = counted.find(({ name, labels }) => name === "filemill_tasks_total" && labels === 'kind="map",outcome="succeeded"');
    expect(ended?.value).toBe(10);
  });
});

describe("a job with runs", () => {
  test("is given back after each: three workers, one after the other, do a third each", async () => {
    const job = await submit({ copy: { use: "demo.copy", batch: { fraction: 0.35, sequential: true } } }, { lane: "runs", files: 30 });
    for (const succeeded of [10, 20, 30]) {
      const end = await once("runs", { words: [job] }).ended;
      expect(end).toEqual({ code: 0, stdout: `${job}\n`, stderr: "" });
      expect(await jobNow(job)).toMatchObject({ status: succeeded === 30 ? "completed" : "running", succeeded });
    }
  });
});

describe("the exit code", () => {
  test("tells a job that failed, one that is not to be had, and wrong usage", async () => {
    const job = await submit({ fail: { use: "demo.fail", with: { class: "bad_input" } } }, { lane: "codes" });
    const failed = await once("codes", { variables: { JOB_ID: job } }).ended;
    expect(failed).toMatchObject({ code: 1, stdout: `${job}\n`, stderr: expect.stringContaining("1 items of the job failed for good") });
    const [ended, unknown, usage] = await Promise.all([
      once("codes", { words: [job] }).ended,
      once("codes", { words: [encodeId("job", tenantId)] }).ended,
      once("codes", { words: ["job_1"] }).ended,
    ]);
    expect(ended).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("has ended already") });
    expect(unknown).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("is no job of this installation") });
    expect(usage).toMatchObject({ code: 2, stdout: "" });
  });

  test.each(["loads", "starts", "works"])("is 1 for one that is stopped while it %s, which hands the job back at no cost", async (when) => {
    const job = await submit({ sleep: { use: "demo.sleep", with: { ms: 60_000 } } }, { lane: when });
    const started = performance.now();
    const worker = once(when);
    expect(await worker.job).toBe(job);
    expect(performance.now() - started).toBeLessThan(CLAIMED_WITHIN_MS);
    if (when === "starts") await expect.poll(() => workersOf(when), { timeout: 60_000, interval: 5 }).toBe(1);
    if (when === "works") await expect.poll(() => jobNow(job), { timeout: 60_000 }).toMatchObject({ status: "running" });
    worker.signal("SIGTERM");
    expect((await worker.ended).code).toBe(1);
    const tasks = await clone.database.asSystem((transaction) =>
      transaction.query(sql`SELECT status, attempts, losses FROM tasks WHERE job_id = ${decodeId("job", job)}::uuid`),
    );
    expect(tasks).toEqual([{ status: "ready", attempts: 0, losses: 0 }]);
  });
});

describe("a claim for a worker that starts later", () => {
  test("is adopted once, by what it wrote", async () => {
    const job = await submit({ copy: { use: "demo.copy" } }, { lane: "claim" });
    const file = join(at.dataFolder, "claimed.json");
    const claim = await startOneJobProcess(at, "claim", { lane: "claim", words: ["--out", file] }).ended;
    expect(claim).toEqual({ code: 0, stdout: `${job}\n`, stderr: "" });
    expect(JSON.parse(await readFile(file, "utf8"))).toMatchObject({ job_id: job });
    expect(await once("claim").ended).toMatchObject({ code: 1 });
    const both = await Promise.all([1, 2].map(() => once("claim", { variables: { JOB_ID_FILE: file } }).ended));
    expect(both.map(({ code }) => code).toSorted()).toEqual([0, 1]);
    expect(await jobNow(job)).toEqual({ status: "completed", succeeded: 1, epochs: [2] });
  });

  test("without a job, a file to write or a place for it costs nothing and leaves nothing", async () => {
    const job = await submit({ copy: { use: "demo.copy" } }, { lane: "careful" });
    const folder = await mkdtemp(join(at.dataFolder, "out-"));
    const claim = (lane: string, words: readonly string[]) => startOneJobProcess(at, "claim", { lane, words }).ended;
    const [usage, noPlace, noJob] = await Promise.all([
      claim("careful", []),
      claim("careful", ["--out", join(folder, "absent", "file")]),
      claim("empty", ["--out", join(folder, "file")]),
    ]);
    expect([usage.code, noPlace.code, noJob.code]).toEqual([2, 1, 1]);
    expect(noJob.stderr).toBe("No job waits in the lanes empty.\n");
    expect(await readdir(folder)).toEqual([]);
    expect(await jobNow(job)).toMatchObject({ status: "queued", epochs: [0] });
  });
});
