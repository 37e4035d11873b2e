import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Batch } from "@filemill/contract/pipeline.ts";
import { cloneDatabase, type ClonedDatabase } from "../../../test/database.ts";
import { emitted, failed, openEngine, WORKER, type Engine } from "../../../test/engine/engine.ts";
import { mapThenGather, mapThenTree, ONE_MAP, stage, step } from "../../../test/engine/plans.ts";
import { sql } from "../../db/sql.ts";
import type { ClaimedTask } from "../../queue/task.ts";
import { generatedId } from "../../record/generated-id.ts";
import { JobsCancelled } from "../advance/stage-rows.ts";
import { cancelJob } from "../cancel.ts";
import type { Plan } from "../plan.ts";
import { getJob } from "../queries.ts";
import { listItems } from "../queries-items.ts";
import { retryJob } from "../retry.ts";
import { commitGenerated } from "./commit-generated.ts";

const PAGED = 12_000;
const OTHER = "00000000-0000-4000-8000-0000000000cc";

let clone: ClonedDatabase;
let engine: Engine;
let tenantId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
});
afterAll(() => clone.close());
beforeEach(async () => {
  await engine.rows(sql`UPDATE tasks SET status = 'cancelled', lease_until = NULL WHERE status IN ('ready', 'running', 'waiting')`);
  tenantId = await engine.tenant();
});

const generate = (plan: Plan, count: number) => engine.submit(tenantId, plan, [], { source: { kind: "generate", count } });
const look = (jobId: string) => getJob(clone.database, { tenantId, jobId });
const outcome = (task: ClaimedTask) => ({
  type: "done" as const,
  results: task.kind === "map" ? task.entries.map(() => emitted()) : [emitted(task.kind === "tree" ? "t" : "g")],
});

/** As run-generate.ts: all pages, then the end of the task. */
async function generateAll(task: ClaimedTask): Promise<void> {
  for (let isLast = false; !isLast;) isLast = (await page(task))?.isLast ?? true;
  await engine.settle([task], () => ({ type: "done", results: [{ ok: true, outputs: [] }] }));
}

async function page(task: ClaimedTask, workerId = WORKER) {
  const [spec] = await engine.rows<{ plan: Plan }>(sql`SELECT plan FROM job_specs WHERE job_id = ${task.jobId}::uuid`);
  const plan = spec?.plan ?? { stages: [] };
  return await clone.database.asSystem((transaction) => commitGenerated(transaction, { task, plan, workerId }));
}

async function claimGenerator(): Promise<ClaimedTask> {
  const [task] = await engine.claim({ want: 1 });
  if (task?.kind !== "source") throw new Error(`a ${task?.kind} was claimed, and not the generator`);
  return task;
}

const sizes = async (jobId: string) =>
  (await engine.rows<{ items: number }>(sql`SELECT items FROM tasks WHERE job_id = ${jobId}::uuid ORDER BY id`)).map((row) => row.items);

describe("a job that generates its inputs", () => {
  it("has an item for each, with ids that hold its place, and no file", async () => {
    const jobId = await generate(ONE_MAP, 120);
    expect(await sizes(jobId)).toEqual([50, 50, 20]);
    const tasks = await engine.claim();
    const entries = tasks.flatMap((task) => task.entries);
    expect(entries.map(({ ordinal, fileId }) => [ordinal, fileId])).toEqual(
      Array.from({ length: 120 }, (_unused, ordinal) => [ordinal, generatedId({ ordinal, count: 120 })]),
    );
    await engine.settle(tasks, outcome);
    expect(await look(jobId)).toMatchObject({
      status: "completed",
      counts: { total: 120, succeeded: 120 },
      source: { kind: "generate", status: "ended", listed: 120 },
    });
    const { data } = await listItems(clone.database, { tenantId, jobId, limit: 200 });
    expect(data.map((item) => [item.ordinal, item.input, item.status])).toEqual(
      Array.from({ length: 120 }, (_unused, ordinal) => [ordinal, null, "succeeded"]),
    );
    expect(await engine.rows(sql`SELECT FROM files WHERE job_id = ${jobId}::uuid AND origin = 'upload'`)).toEqual([]);
  });

  const batches: [batch: Batch, sizes: number[]][] = [
    [{ items: 5 }, [5, 5, 2]],
    [{ bytes: "60B" }, [2, 2, 2, 2, 2, 2]],
    [{ fraction: 0.5 }, [6, 6]],
    [{ fraction: 0.35, sequential: true }, [4, 4, 4]],
  ];
  it.each(batches)("is cut as its batch %o says", async (batch, expected) => {
    const jobId = await generate({ stages: [stage(0, [step("a")], { batch })] }, 12);
    expect(await sizes(jobId)).toEqual(expected);
    await engine.drain(outcome);
    expect(await look(jobId)).toMatchObject({ status: "completed", counts: { succeeded: 12 } });
  });

  it("gives a sequential run back before the next begins: 4 runs of 37", async () => {
    const jobId = await generate({ stages: [stage(0, [step("a")], { batch: { fraction: 0.35, sequential: true } })] }, 37);
    const runs: number[] = [];
    for (let tasks = await engine.claim(); tasks.length > 0; tasks = await engine.claim()) {
      expect(tasks).toHaveLength(1);
      runs.push(tasks[0]?.entries.length ?? 0);
      await engine.settle(tasks, outcome);
    }
    expect(runs).toEqual([12, 12, 12, 1]);
    expect((await look(jobId)).status).toBe("completed");
  });

  it("retries a dead item with the input that it had", async () => {
    const jobId = await generate({ stages: [stage(0, [step("a")], { attempts: 1 })] }, 60);
    await engine.drain((task) => ({
      type: "done",
      results: task.entries.map((entry) => (entry.ordinal === 57 ? failed() : emitted())),
    }));
    expect(await look(jobId)).toMatchObject({ status: "failed", counts: { dead: 1, succeeded: 59 } });
    await retryJob(clone.database, { tenantId, jobId, actor: "test" });
    const [again] = await engine.claim();
    expect(again?.entries).toEqual([{ ordinal: 57, parent: -1, fileId: generatedId({ ordinal: 57, count: 60 }), from: "" }]);
    await engine.settle(
      [again].flatMap((task) => task ?? []),
      outcome,
    );
    expect(await look(jobId)).toMatchObject({ status: "completed", counts: { succeeded: 60 } });
  });

  it("refuses what fractions can't be taken of, and says what to do", async () => {
    const plan: Plan = { stages: [stage(0, [step("a")], { batch: { fraction: 0.5 } })] };
    await expect(generate(plan, 100_001)).rejects.toMatchObject({ code: "validation_failed", message: expect.stringContaining("items") });
  });
});

describe("very many inputs", () => {
  it.each([
    ["a map", ONE_MAP, PAGED],
    ["a tree, which begins before all are there", mapThenTree(50), PAGED],
    ["a gather", mapThenGather(), PAGED],
  ] as const)("come page by page, each once, for %s; progress only rises", async (_name, plan, count) => {
    const jobId = await generate(plan, count);
    const generator = await claimGenerator();
    expect(await look(jobId)).toMatchObject({ progress: 0, counts: { total: count }, source: { status: "open", listed: 0 } });
    let last = 0;
    for (let isLast = false; !isLast;) {
      isLast = (await page(generator))?.isLast ?? true;
      await engine.settle(await engine.claim({ want: 30 }), outcome);
      const job = await look(jobId);
      expect(job.progress).toBeGreaterThanOrEqual(last);
      expect(job.counts.total).toBe(count);
      last = job.progress;
    }
    await engine.settle([generator], () => ({ type: "done", results: [{ ok: true, outputs: [] }] }));
    await engine.drain(outcome);
    expect(await look(jobId)).toMatchObject({ status: "completed", counts: { total: count, succeeded: count }, source: { listed: count } });
    const [entries] = await engine.rows(sql`
      SELECT count(*) AS items, count(DISTINCT ordinal) AS ordinals FROM tasks JOIN task_inputs ON task_id = id, unnest(ordinals) AS ordinal
      WHERE tasks.job_id = ${jobId}::uuid AND stage = 1`);
    expect(entries).toEqual({ items: count, ordinals: count });
    if (plan.stages[1]?.kind !== "tree") return;
    const [nodes] = await engine.rows<{ nodes: number }>(
      sql`SELECT count(*) AS nodes FROM tasks WHERE job_id = ${jobId}::uuid AND kind = 'tree'`,
    );
    expect(nodes?.nodes).toBe(240 + 5 + 1);
  });

  it("are not made by a worker that has lost the task", async () => {
    const jobId = await generate(ONE_MAP, PAGED);
    const lost = await claimGenerator();
    await engine.rows(sql`UPDATE tasks SET status = 'ready' WHERE id = ${lost.id}::uuid`);
    const [heir] = await engine.claim({ workerId: OTHER });
    expect(await page(lost)).toBeUndefined();
    expect((await look(jobId)).source).toMatchObject({ listed: 0 });
    expect(await page(heir ?? lost, OTHER)).toMatchObject({ isLast: false });
    expect((await look(jobId)).source).toMatchObject({ listed: 10_000 });
  });

  it("stop with their job", async () => {
    const jobId = await generate(ONE_MAP, PAGED);
    const generator = await claimGenerator();
    await page(generator);
    await (
      await cancelJob(clone.database, { tenantId, jobId, actor: "test" })
    ).rest;
    expect(await page(generator).catch((error: unknown) => error)).toSatisfy(
      (answer: unknown) => answer === undefined || answer instanceof JobsCancelled,
    );
    expect(await look(jobId)).toMatchObject({
      status: "cancelled",
      counts: { total: PAGED, cancelled: PAGED },
      source: { status: "ended" },
    });
    expect(await engine.claim()).toEqual([]);
  });

  it("of a paged job are 20 ms a thousand or less to make", { timeout: 60_000 }, async () => {
    await generate(ONE_MAP, 100_000);
    const started = performance.now();
    await generateAll(await claimGenerator());
    // 100,000 took 1.0 s alone on 2 cores; a statement an item would take 50 s.
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});
