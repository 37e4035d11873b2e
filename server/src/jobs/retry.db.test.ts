import { afterAll, beforeAll, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { emitted, failed, map, openEngine, WORKER, type Engine } from "../../test/engine/engine.ts";
import { mapThenGather, ONE_MAP, stage, step } from "../../test/engine/plans.ts";
import { sql } from "../db/sql.ts";
import { hold } from "../queue/hold.ts";
import type { EntryOutcome } from "./advance/outcome.ts";
import { settle } from "./advance/settle.ts";
import type { Plan } from "./plan.ts";
import { retryJob } from "./retry.ts";

let clone: ClonedDatabase;
let engine: Engine;
let tenantId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  tenantId = await engine.tenant();
});
afterAll(() => clone.close());

const submit = async (plan: Plan, inputs: number) => engine.submit(tenantId, plan, await engine.files(tenantId, inputs));
const statusOf = async (jobId: string) =>
  (await engine.rows<{ status: string }>(sql`SELECT status FROM jobs WHERE id = ${jobId}::uuid`))[0]?.status;
const retry = (jobId: string) => retryJob(clone.database, { tenantId, jobId, actor: "key_test" });

/** As a task that ran and whose input had been deleted: the same code as a reduce that never ran. */
const inputDead = (name: string): EntryOutcome => ({
  ok: false,
  step: name,
  failure: { class: "bad_input", code: "input_dead", message: "The input file was deleted before it was processed." },
});

test("a dead item is retried whatever its code says", async () => {
  const jobId = await submit(ONE_MAP, 3);
  await engine.drain(
    map((entry) => (entry.ordinal === 0 ? inputDead("a") : entry.ordinal === 1 ? failed({ class: "bad_input" }) : emitted())),
  );
  expect((await retry(jobId)).tasks).toBe(2);
  await engine.drain();
  expect(await statusOf(jobId)).toBe("completed");
});

test("dead nodes of a tree are retried whatever their code says, and the tree gives its result", async () => {
  const jobId = await submit({ stages: [stage(0, [step("t")], { kind: "tree", fanIn: 2 })] }, 4);
  await engine.drain((task) => ({
    type: "done",
    results: [task.tree?.node === 0 ? inputDead("t") : failed({ class: "bad_input", step: "t" })],
  }));
  expect(await statusOf(jobId)).toBe("failed");
  await retry(jobId);
  let roots = 0;
  await engine.drain((task) => {
    if (task.tree?.root) roots += 1;
    return { type: "done", results: [emitted("t")] };
  });
  expect({ status: await statusOf(jobId), roots }).toEqual({ status: "completed", roots: 1 });
});

test("a reduce that ends while the retry waits for the stages is replaced as well", async () => {
  const [first = stage(0, []), second = stage(1, [])] = mapThenGather().stages;
  const plan = { stages: [{ ...first, batch: { items: 1 } }, second] };
  const jobId = await submit(plan, 2);
  const [poison, other] = await engine.claim();
  if (!poison || !other) throw new Error("two inputs in tasks of one are two tasks");
  await engine.settle(
    [poison],
    map(() => failed({ class: "bad_input" })),
  );
  let retrying: Promise<unknown> | undefined;
  // The commit of the second task ends the gather with input_dead; the retry has looked for dead tasks and waits for it.
  await clone.database.asSystem(async (transaction) => {
    await hold(transaction, WORKER, [{ taskId: other.id, epoch: other.epoch }]);
    await settle(transaction, [{ task: other, plan, outcome: { type: "done", results: [emitted()] } }]);
    retrying = retry(jobId);
    await expect.poll(async () => (await engine.rows(sql`SELECT 1 FROM pg_locks WHERE NOT granted`)).length).toBeGreaterThan(0);
  });
  await retrying;
  await engine.drain((task) => ({ type: "done", results: [emitted(task.kind === "map" ? "a" : "g")] }));
  expect(await statusOf(jobId)).toBe("completed");
});
