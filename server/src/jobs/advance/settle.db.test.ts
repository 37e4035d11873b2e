import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sql } from "../../db/sql.ts";
import { cloneDatabase, type ClonedDatabase } from "../../../test/database.ts";
import { emitted, failed, map, openEngine, type Engine } from "../../../test/engine/engine.ts";
import { FAN_OUT, mapThenGather, mapThenTree, ONE_MAP, stage, step } from "../../../test/engine/plans.ts";
import type { ClaimedTask } from "../../queue/task.ts";
import { cancelJob } from "../cancel.ts";
import { retryJob } from "../retry.ts";
import { settle } from "./settle.ts";
import { JobsCancelled } from "./stage-rows.ts";

let clone: ClonedDatabase;
let engine: Engine;
let tenantId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  tenantId = await engine.tenant();
});
afterAll(() => clone.close());

interface StageCounts {
  status: string;
  open_tasks: number;
  items_in: number;
  items_succeeded: number;
  items_skipped: number;
  items_dead: number;
  items_moved: number;
  dead_tasks: number;
}

const statusOf = async (jobId: string) =>
  (await engine.rows<{ status: string }>(sql`SELECT status FROM jobs WHERE id = ${jobId}::uuid`))[0]?.status;
const stagesOf = (jobId: string) => engine.rows<StageCounts>(sql`SELECT * FROM job_stages WHERE job_id = ${jobId}::uuid ORDER BY stage`);
const tasksOf = (jobId: string) =>
  engine.rows<{
    kind: string;
    status: string;
    items: number;
    attempts: number;
    epoch: number;
    error: { code: string } | null;
    tree_level: number;
  }>(sql`SELECT kind, status, items, attempts, epoch, error, tree_level FROM tasks WHERE job_id = ${jobId}::uuid ORDER BY id`);

async function submit(plan: Parameters<Engine["submit"]>[1], inputs: number) {
  return await engine.submit(tenantId, plan, await engine.files(tenantId, inputs));
}

describe("one map stage", () => {
  test("a job of 120 small files is three tasks and completes", async () => {
    const jobId = await submit(ONE_MAP, 120);
    expect((await tasksOf(jobId)).map((task) => task.items)).toEqual([50, 50, 20]);
    expect(await engine.drain()).toBe(3);
    expect(await statusOf(jobId)).toBe("completed");
    expect((await stagesOf(jobId))[0]).toMatchObject({ status: "closed", open_tasks: 0, items_in: 120, items_succeeded: 120 });
  });

  test("bad input dies at once and alone, the other items of its batch go through", async () => {
    const jobId = await submit(ONE_MAP, 10);
    await engine.drain(map((entry) => (entry.ordinal === 7 ? failed({ class: "bad_input" }) : emitted())));
    expect(await statusOf(jobId)).toBe("failed");
    expect((await stagesOf(jobId))[0]).toMatchObject({ items_succeeded: 9, items_dead: 1 });
    const dead = (await tasksOf(jobId)).filter((task) => task.status === "dead");
    expect(dead).toMatchObject([{ items: 1, attempts: 1, error: { code: "crashed" } }]);
  });

  test("a crashing item has three attempts", async () => {
    const jobId = await submit(ONE_MAP, 3);
    let tries = 0;
    await engine.drain(
      map((entry) => {
        if (entry.ordinal !== 1) return emitted();
        tries += 1;
        return failed();
      }),
    );
    expect(tries).toBe(3);
    expect((await stagesOf(jobId))[0]).toMatchObject({ items_succeeded: 2, items_dead: 1 });
  });

  test("a batch whose host dies gives up the culprit, and is halved where nobody knows it", async () => {
    for (const known of [true, false]) {
      const jobId = await submit(ONE_MAP, 40);
      const poison = 23;
      await engine.drain((task) => {
        const culprit = task.entries.findIndex((entry) => entry.ordinal === poison);
        if (culprit < 0) return { type: "done", results: task.entries.map(() => emitted()) };
        const failure = { class: "crashed" as const, code: "crashed" as const, message: "host died" };
        return { type: "failed", failure, step: "a", culprit: known ? culprit : undefined };
      });
      expect((await stagesOf(jobId))[0]).toMatchObject({ status: "closed", items_succeeded: 39, items_dead: 1 });
      expect((await tasksOf(jobId)).filter((task) => task.status === "dead")).toMatchObject([{ items: 1, attempts: 3 }]);
    }
  });

  test("on_error skip: the item is skipped and the job completes", async () => {
    const jobId = await submit({ stages: [stage(0, [step("a", { onError: "skip" })])] }, 5);
    await engine.drain(map((entry) => (entry.ordinal === 2 ? failed({ class: "bad_input" }) : emitted())));
    expect(await statusOf(jobId)).toBe("completed");
    expect((await stagesOf(jobId))[0]).toMatchObject({ items_succeeded: 4, items_skipped: 1, items_dead: 0 });
  });
});

describe("runs", () => {
  const sequential = { stages: [stage(0, [step("a")], { batch: { fraction: 0.35, sequential: true } })] };

  test.each([
    [30, [10, 10, 10]],
    [31, [10, 10, 10, 1]],
    [34, [11, 11, 11, 1]],
    [1, [1]],
  ])("of %i items a sequential 0.35 makes runs of %j, one at a time", async (inputs, sizes) => {
    const jobId = await submit(sequential, inputs);
    const seen: number[] = [];
    for (;;) {
      const tasks = await engine.claim({ want: 16 });
      if (tasks.length === 0) break;
      expect(tasks).toHaveLength(1);
      expect((await tasksOf(jobId)).filter((task) => ["ready", "running"].includes(task.status))).toHaveLength(1);
      seen.push(tasks[0]?.entries.length ?? 0);
      await engine.settle(tasks, (task) => results(task, "a"));
    }
    expect(seen).toEqual(sizes);
    expect(await statusOf(jobId)).toBe("completed");
  });

  test("a run that fails is tried again before the next one starts, and a cancel ends those that wait", async () => {
    const jobId = await submit(sequential, 30);
    const first = await engine.claim();
    await engine.settle(
      first,
      map(() => failed()),
    );
    expect(await engine.claim()).toEqual([]);
    await cancelJob(clone.database, { tenantId, jobId, actor: "key_test" });
    await engine.skipBackoffs();
    expect(await engine.claim()).toEqual([]);
    expect(new Set((await tasksOf(jobId)).map((task) => task.status))).toEqual(new Set(["succeeded", "cancelled"]));
  });
});

describe("trees", () => {
  test("1,000 inputs with fan-in 5 make 200 + 40 + 8 + 2 + 1 = 251 nodes, in slot order", async () => {
    const jobId = await submit(mapThenTree(5), 1_000);
    await engine.drain((task) => results(task, task.kind === "tree" ? "t" : "a"));
    const levels = Map.groupBy(
      (await tasksOf(jobId)).filter((task) => task.kind === "tree"),
      (task) => task.tree_level,
    );
    expect([...levels].map(([level, tasks]) => [level, tasks.length]).sort()).toEqual([
      [1, 200],
      [2, 40],
      [3, 8],
      [4, 2],
      [5, 1],
    ]);
    expect(await statusOf(jobId)).toBe("completed");
  });

  test.each([1, 2, 5, 6, 7, 26])("a tree over %i inputs ends in one root, whatever the order of completions", async (inputs) => {
    const jobId = await submit(mapThenTree(5, { batch: { items: 1 } }), inputs);
    for (;;) {
      const tasks = await engine.claim({ want: 7 });
      if (tasks.length === 0) break;
      for (const task of tasks.toReversed()) await engine.settle([task], (one) => results(one, one.kind === "tree" ? "t" : "a"));
    }
    expect(await statusOf(jobId)).toBe("completed");
  });

  test("skipped leaves leave their places empty; the survivors are reduced", async () => {
    const plan = mapThenTree(2);
    const skipping = { stages: [stage(0, [step("a", { feeds: [1], onError: "skip" })]), plan.stages[1] ?? stage(1, [])] };
    const jobId = await submit(skipping, 8);
    const sizes: number[] = [];
    await engine.drain((task) => {
      if (task.kind === "tree") sizes.push(task.entries.length);
      return task.kind === "tree"
        ? results(task, "t")
        : map((entry) => (entry.ordinal < 3 ? failed({ class: "bad_input" }) : emitted()))(task);
    });
    expect(await statusOf(jobId)).toBe("completed");
    expect(sizes.sort()).toEqual([1, 1, 2, 2, 2, 2]);
  });

  test("a dead leaf ends the tree with input_dead, and a retry completes it", async () => {
    const jobId = await submit(mapThenTree(5), 12);
    let healed = false;
    const run = () =>
      engine.drain((task) =>
        task.kind === "tree"
          ? results(task, "t")
          : map((entry) => (entry.ordinal === 4 && !healed ? failed({ class: "bad_input" }) : emitted()))(task),
      );
    await run();
    expect(await statusOf(jobId)).toBe("failed");
    expect((await tasksOf(jobId)).filter((task) => task.error?.code === "input_dead")).toHaveLength(1);
    healed = true;
    expect((await retryJob(clone.database, { tenantId, jobId, actor: "key_test" })).tasks).toBe(1);
    expect(await statusOf(jobId)).toBe("running");
    await run();
    expect(await statusOf(jobId)).toBe("completed");
    expect((await tasksOf(jobId)).filter((task) => task.status === "dead")).toHaveLength(0);
  });
});

describe("gather and fan-out", () => {
  test("a gather runs once, over all files in item order", async () => {
    const jobId = await submit(mapThenGather(), 130);
    const gathered: ClaimedTask[] = [];
    await engine.drain((task) => {
      if (task.kind === "gather") gathered.push(task);
      return results(task, task.kind === "gather" ? "g" : "a");
    });
    expect(gathered).toHaveLength(1);
    expect(gathered[0]?.entries.map((entry) => entry.ordinal)).toEqual(Array.from({ length: 130 }, (_unused, index) => index));
    expect(await statusOf(jobId)).toBe("completed");
  });

  test("children of a fan-out are items with a parent, and are gathered in their parents' order", async () => {
    const jobId = await submit(FAN_OUT, 3);
    const seen = new Map<string, ClaimedTask[]>();
    await engine.drain((task) => {
      const step = task.stage === 0 ? "a" : task.stage === 1 ? "b" : "g";
      seen.set(step, [...(seen.get(step) ?? []), task]);
      return {
        type: "done",
        results: task.kind === "gather" ? [emitted("g")] : task.entries.map(() => emitted(step, step === "a" ? 4 : 1)),
      };
    });
    const children = (seen.get("b") ?? []).flatMap((task) => task.entries);
    expect(children.map((entry) => entry.parent).sort()).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    expect(new Set(children.map((entry) => entry.ordinal)).size).toBe(12);
    expect(seen.get("g")?.[0]?.entries.map((entry) => entry.parent)).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    expect(await statusOf(jobId)).toBe("completed");
    expect(await stagesOf(jobId)).toMatchObject([{ items_succeeded: 3 }, { items_in: 12, items_succeeded: 12 }, {}]);
  });

  test("a fan-out that emits nothing still ends its job", async () => {
    const jobId = await submit(FAN_OUT, 2);
    await engine.drain((task) => ({ type: "done", results: task.entries.map(() => emitted("a", 0)) }));
    expect(await statusOf(jobId)).toBe("completed");
  });
});

describe("cancel", () => {
  test("nothing of a cancelled job becomes true, even what a worker was about to bring", async () => {
    const jobId = await submit(ONE_MAP, 120);
    const [task] = await engine.claim({ want: 1 });
    await cancelJob(clone.database, { tenantId, jobId, actor: "key_test" });
    expect(await statusOf(jobId)).toBe("cancelled");
    expect((await tasksOf(jobId)).map((one) => one.status)).toEqual(["cancelled", "cancelled", "cancelled"]);
    expect(task && (await engine.settle([task], (one) => results(one, "a"))).size).toBe(0);
    expect(await engine.claim()).toEqual([]);
  });

  test("nothing of a job whose rows are gone becomes true either", async () => {
    const jobId = await submit(ONE_MAP, 1);
    const tasks = await engine.claim();
    await engine.rows(sql`DELETE FROM jobs WHERE id = ${jobId}::uuid`);
    const settled = clone.database.asSystem((transaction) =>
      settle(
        transaction,
        tasks.map((task) => ({ task, plan: ONE_MAP, outcome: results(task, "a") })),
      ),
    );
    await expect(settled).rejects.toBeInstanceOf(JobsCancelled);
    expect(await engine.rows(sql`SELECT type FROM events WHERE job_id = ${jobId}::uuid`)).toEqual([{ type: "job.queued" }]);
    await engine.rows(sql`DELETE FROM tasks WHERE job_id = ${jobId}::uuid`);
  });

  test("an ended job can't be cancelled, a cancelled one not retried", async () => {
    const jobId = await submit(ONE_MAP, 1);
    await engine.drain();
    await expect(cancelJob(clone.database, { tenantId, jobId, actor: "key_test" })).rejects.toMatchObject({ code: "conflict" });
    const other = await submit(ONE_MAP, 1);
    await cancelJob(clone.database, { tenantId, jobId: other, actor: "key_test" });
    await expect(retryJob(clone.database, { tenantId, jobId: other, actor: "key_test" })).rejects.toMatchObject({ code: "conflict" });
  });
});

function results(task: ClaimedTask, step: string) {
  return { type: "done" as const, results: task.kind === "map" ? task.entries.map(() => emitted(step)) : [emitted(step)] };
}
