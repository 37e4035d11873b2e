import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Counts } from "@filemill/contract/jobs.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { emitted, failed, map, openEngine, type Engine } from "../../test/engine/engine.ts";
import { FAN_OUT, mapThenGather, mapThenTree, ONE_MAP, stage, step } from "../../test/engine/plans.ts";
import { sql } from "../db/sql.ts";
import { cancelJob } from "./cancel.ts";
import type { Plan } from "./plan.ts";
import { getJob, listJobs } from "./queries.ts";
import { itemId, listItems } from "./queries-items.ts";
import { laneBacklog, listDeadLetters, listTasks } from "./queries-tasks.ts";
import { retryJob } from "./retry.ts";
import { startJobs } from "./start.ts";

let clone: ClonedDatabase;
let engine: Engine;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
});
afterAll(() => clone.close());

/** Two map stages in different lanes: items move from the first to the second. */
const TWO_MAPS: Plan = {
  stages: [
    stage(0, [step("a", { feeds: [1], output: false })]),
    stage(1, [step("b", { needs: ["a"] })], { feeders: [0], takesInputs: false, lane: "heavy" }),
  ],
};

async function submit(plan: Plan, inputs: number) {
  const tenantId = await engine.tenant();
  const jobId = await engine.submit(tenantId, plan, await engine.files(tenantId, inputs));
  const look = () => getJob(clone.database, { tenantId, jobId });
  const items = (more: { limit?: number; after?: number; status?: "dead" | "succeeded" } = {}) =>
    listItems(clone.database, { tenantId, jobId, limit: 100, ...more });
  return { tenantId, jobId, look, items };
}

/** Settles step by step; calls `between` after each claim and each settlement. */
async function run(jobId: string, outcome: Parameters<Engine["drain"]>[0], between: () => Promise<void>, lanes = ["default", "heavy"]) {
  await clone.database.asSystem((transaction) => startJobs(transaction, [jobId]));
  for (;;) {
    await engine.skipBackoffs();
    const tasks = [];
    for (const lane of lanes) tasks.push(...(await engine.claim({ want: 2, lane })));
    if (tasks.length === 0) return;
    await between();
    for (const task of tasks) await engine.settle([task], outcome ?? (() => ({ type: "done", results: [] })));
    await between();
  }
}

function expectConserved(counts: Counts) {
  const { total, waiting, running, succeeded, skipped, dead, cancelled } = counts;
  expect(waiting + running + succeeded + skipped + dead + cancelled).toBe(total);
  expect(Object.values(counts).every((count) => count >= 0)).toBe(true);
}

describe("counts and progress", () => {
  const emit = (task: { kind: string; stage: number; entries: readonly unknown[] }) => {
    const name = task.kind === "tree" ? "t" : task.kind === "gather" ? "g" : (["a", "b"][task.stage] ?? "a");
    return { type: "done" as const, results: task.kind === "map" ? task.entries.map(() => emitted(name)) : [emitted(name)] };
  };
  const plans: [name: string, plan: Plan, total: number][] = [
    ["one map", { stages: [stage(0, [step("a")], { batch: { items: 4 } })] }, 30],
    ["two maps, which count an item once", TWO_MAPS, 30],
    ["a map and a gather", mapThenGather(), 30],
    ["a map and a tree", mapThenTree(3, { batch: { items: 4 } }), 30],
    ["a fan-out, whose children count too", FAN_OUT, 60],
  ];

  it.each(plans)("%s: conserved at every moment, progress never turns back, 100 only at the end", async (_name, plan, total) => {
    const { jobId, look } = await submit(plan, 30);
    let last = 0;
    let stagesDone: number[] = [];
    let sawRunning = false;
    await run(jobId, emit, async () => {
      const job = await look();
      expectConserved(job.counts);
      sawRunning ||= job.counts.running > 0;
      expect(job.progress).toBeGreaterThanOrEqual(last);
      expect(job.progress === 100).toBe(job.status === "completed");
      last = job.progress;
      for (const [index, { done, total }] of job.stages.entries()) {
        expect(done).toBeGreaterThanOrEqual(stagesDone[index] ?? 0);
        expect(done).toBeLessThanOrEqual(total ?? Infinity);
      }
      stagesDone = job.stages.map(({ done }) => done);
    });
    expect(sawRunning).toBe(true);
    expect(await look()).toMatchObject({ status: "completed", progress: 100, counts: { total, succeeded: total, waiting: 0, running: 0 } });
    for (const { status, done, total: all } of (await look()).stages) expect({ status, done }).toEqual({ status: "closed", done: all });
  });

  it("each stage says its steps and how far it is", async () => {
    const { jobId, look } = await submit(mapThenTree(3, { batch: { items: 10 } }), 30);
    const [first, tree] = (await look()).stages;
    expect(first).toEqual({ kind: "map", steps: ["a"], status: "open", done: 0, total: 30 });
    expect(tree).toMatchObject({ kind: "tree", steps: ["t"], done: 0 });
    let nodes = 0;
    await run(jobId, emit, async () => {
      const { status, stages } = await look();
      if (status === "running") nodes = Math.max(nodes, stages[1]?.done ?? 0);
    });
    // 10 + 4 + 2 + 1.
    expect((await look()).stages[1]).toMatchObject({ done: 17, total: 17 });
    expect(nodes).toBeGreaterThanOrEqual(10);
  });

  it("a job that only reduces counts its inputs", async () => {
    const tree: Plan = { stages: [stage(0, [step("t")], { kind: "tree", fanIn: 5 })] };
    const { jobId, look } = await submit(tree, 12);
    expect((await look()).counts).toMatchObject({ total: 12, waiting: 12 });
    let half = 0;
    await run(jobId, emit, async () => {
      half = Math.max(half, (await look()).status === "running" ? (await look()).progress : 0);
    });
    expect(half).toBeGreaterThan(20);
    expect((await look()).counts).toMatchObject({ total: 12, succeeded: 12 });
  });

  it("a cancelled job's open items are cancelled", async () => {
    const { tenantId, jobId, look } = await submit({ stages: [stage(0, [step("a")], { batch: { items: 4 } })] }, 10);
    const [task] = await engine.claim({ want: 1 });
    if (task) await engine.settle([task], emit);
    await cancelJob(clone.database, { tenantId, jobId, actor: "key_x" });
    const job = await look();
    expect(job).toMatchObject({ status: "cancelled", counts: { total: 10, succeeded: 4, cancelled: 6, waiting: 0, running: 0 } });
    expect(job.progress).toBeLessThan(100);
  });

  it("tells how long a job took and how large its inputs were, beside the user's metadata", async () => {
    const { look } = await submit(ONE_MAP, 3);
    await engine.drain();
    expect((await look()).metadata).toMatchObject({ items: 3, file_size_mb: 0, processing_time: expect.any(Number) });
  });
});

describe("items", () => {
  it("are where their tasks are, exceptions first; pages go on where the last one ended", async () => {
    const { jobId, look, items } = await submit(ONE_MAP, 120);
    await engine.drain(map((entry) => (entry.ordinal === 7 || entry.ordinal === 90 ? failed({ class: "bad_input" }) : emitted())));
    expect(await look()).toMatchObject({
      status: "failed",
      error: { code: "crashed", step: "a", message: "as told" },
      counts: { dead: 2, succeeded: 118 },
    });
    const first = await items();
    expect(first.data.map(({ ordinal }) => ordinal)).toEqual(Array.from({ length: 100 }, (_, index) => index));
    expect(first.data[7]).toMatchObject({
      id: itemId(jobId, 7),
      status: "dead",
      attempts: 1,
      error: { code: "crashed" },
      input: { name: "file" },
    });
    expect(first.data[8]).toMatchObject({ status: "succeeded", error: null, parent_ordinal: null });
    const second = await items({ after: first.next ?? -1 });
    expect([second.data.length, second.next]).toEqual([20, null]);
    expect((await items({ status: "dead" })).data.map(({ ordinal }) => ordinal)).toEqual([7, 90]);
    const filtered = await items({ status: "dead", limit: 1 });
    expect((await items({ status: "dead", limit: 1, after: filtered.next ?? -1 })).data.map(({ ordinal }) => ordinal)).toEqual([90]);
  });

  it("say running, waiting again after a failure, and succeeded after a retry", async () => {
    const { tenantId, jobId, items } = await submit(ONE_MAP, 3);
    const tasks = await engine.claim();
    expect((await items()).data.map(({ status }) => status)).toEqual(["running", "running", "running"]);
    await engine.settle(
      tasks,
      map((entry) => (entry.ordinal === 1 ? failed() : emitted())),
    );
    expect((await items()).data.map(({ status, attempts }) => [status, attempts])).toEqual([
      ["succeeded", 0],
      ["waiting", 1],
      ["succeeded", 0],
    ]);
    await engine.drain(map(() => failed()));
    expect((await items()).data[1]).toMatchObject({ status: "dead", attempts: 3 });
    await retryJob(clone.database, { tenantId, jobId, actor: "key_x" });
    expect((await items()).data[1]).toMatchObject({ status: "waiting" });
    await engine.drain();
    expect((await items()).data.map(({ status }) => status)).toEqual(["succeeded", "succeeded", "succeeded"]);
  });

  it("are where the furthest stage has them", async () => {
    const { items } = await submit(TWO_MAPS, 2);
    await engine.drain();
    expect((await items()).data.map(({ status }) => status)).toEqual(["waiting", "waiting"]);
  });

  it("of a fan-out name their parent", async () => {
    const { items } = await submit(FAN_OUT, 2);
    const tasks = await engine.claim();
    await engine.settle(
      tasks,
      map(() => emitted("a", 2)),
    );
    expect((await items()).data.map(({ ordinal, parent_ordinal }) => [ordinal, parent_ordinal])).toEqual([
      [0, null],
      [1, null],
      [2, 0],
      [3, 0],
      [4, 1],
      [5, 1],
    ]);
  });
});

describe("lists", () => {
  it("of jobs: newest first, page by page, by status, time and metadata; nobody else's", async () => {
    const { tenantId } = await submit(ONE_MAP, 1);
    const files = await engine.files(tenantId, 1);
    const ids = [];
    for (let index = 0; index < 4; index++) ids.push(encodeId("job", await engine.submit(tenantId, ONE_MAP, files)));
    const list = (filter: Parameters<typeof listJobs>[1]["filter"], more = {}) =>
      listJobs(clone.database, { tenantId, filter, limit: 3, ...more });
    const first = await list({});
    expect(first.data.map(({ id }) => id)).toEqual(ids.slice(1).toReversed());
    const second = await list({}, { after: first.next ?? undefined });
    expect(second.data).toHaveLength(2);
    expect(second.next).toBeNull();
    expect((await list({ status: ["completed"] })).data).toEqual([]);
    expect((await list({ createdBefore: "2020-01-01T00:00:00Z" })).data).toEqual([]);
    await engine.rows(
      sql`UPDATE job_specs SET metadata = '{"album": "x"}' WHERE tenant_id = ${tenantId} AND job_id = (SELECT max(id::text)::uuid FROM jobs WHERE tenant_id = ${tenantId})`,
    );
    expect((await list({ metadata: { album: "x" } })).data.map(({ metadata }) => metadata["album"])).toEqual(["x"]);
    expect((await list({ metadata: { album: "y" } })).data).toEqual([]);
    const other = await engine.tenant();
    expect((await listJobs(clone.database, { tenantId: other, filter: {}, limit: 3 })).data).toEqual([]);
  });

  it("of a foreign or absent job answer alike", async () => {
    const { jobId } = await submit(ONE_MAP, 1);
    const other = await engine.tenant();
    for (const id of [jobId, randomUUID()]) {
      await expect(getJob(clone.database, { tenantId: other, jobId: id })).rejects.toMatchObject({
        code: "not_found",
        message: `There is no job "${encodeId("job", id)}".`,
      });
      await expect(listItems(clone.database, { tenantId: other, jobId: id, limit: 1 })).rejects.toMatchObject({ code: "not_found" });
      await expect(listTasks(clone.database, { tenantId: other, jobId: id, limit: 1 })).rejects.toMatchObject({ code: "not_found" });
    }
  });

  it("of tasks, and of the dead among them", async () => {
    const { tenantId, jobId } = await submit({ stages: [stage(0, [step("a")], { batch: { items: 1 } })] }, 3);
    await engine.drain(map(() => failed({ class: "bad_input" })));
    const page = await listTasks(clone.database, { tenantId, jobId, limit: 2 });
    expect(page.data).toMatchObject([{ kind: "map", status: "dead", stage: 0, steps: ["a"], items: 1 }, { status: "dead" }]);
    expect((await listTasks(clone.database, { tenantId, jobId, limit: 2, after: page.next ?? undefined })).data).toHaveLength(1);
    const dead = await listDeadLetters(clone.database, { tenantId, limit: 2 });
    const rest = await listDeadLetters(clone.database, { tenantId, limit: 2, after: dead.next ?? undefined });
    expect([...dead.data, ...rest.data].map(({ id }) => id).toSorted()).toEqual(
      (await listTasks(clone.database, { tenantId, jobId, limit: 9 })).data.map(({ id }) => id).toSorted(),
    );
    expect(rest.next).toBeNull();
  });

  it("of lanes count ready and running tasks", async () => {
    const lane = "counted";
    await submit({ stages: [stage(0, [step("a")], { batch: { items: 1 }, lane })] }, 3);
    await engine.claim({ lane, want: 1 });
    expect((await laneBacklog(clone.database)).find((each) => each.lane === lane)).toEqual({ lane, ready: 2, running: 1 });
  });
});
