import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { emitted, failed, map, openEngine, WORKER, type Engine } from "../../test/engine/engine.ts";
import { stage, step } from "../../test/engine/plans.ts";
import { sql } from "../db/sql.ts";
import type { TaskOutcome } from "../jobs/advance/outcome.ts";
import type { Plan } from "../jobs/plan.ts";
import { getJob } from "../jobs/queries.ts";
import { listTasks } from "../jobs/queries-tasks.ts";
import { recordProgress } from "./progress.ts";
import { reapExpired } from "./reap.ts";
import { release } from "./release.ts";
import type { ClaimedTask } from "./task.ts";

const PLAN: Plan = { stages: [stage(0, [step("a")], { batch: { items: 10 } })] };
const OTHER = "00000000-0000-4000-8000-0000000000cc";

let clone: ClonedDatabase;
let engine: Engine;
let tenantId: string;
let jobId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
});
afterAll(() => clone.close());
beforeEach(async () => {
  await engine.rows(sql`UPDATE tasks SET status = 'cancelled', lease_until = NULL WHERE status IN ('ready', 'running', 'waiting')`);
  tenantId = await engine.tenant();
  jobId = await engine.submit(tenantId, PLAN, await engine.files(tenantId, 20));
});

const look = () => getJob(clone.database, { tenantId, jobId });
const tell = ({ id: taskId, epoch }: ClaimedTask, itemsDone: number, workerId = WORKER) =>
  clone.database.asSystem((transaction) => recordProgress(transaction, workerId, [{ taskId, epoch, itemsDone }]));
const doneInTasks = async () => (await listTasks(clone.database, { tenantId, jobId, limit: 10 })).data.map((task) => task.items_done);

async function claimOne(workerId = WORKER): Promise<ClaimedTask> {
  await engine.skipBackoffs();
  const [task] = await engine.claim({ want: 1, workerId });
  if (!task) throw new Error("there was nothing to claim");
  return task;
}

describe("the progress of a batch while it runs", () => {
  it("shows in the job, its stages and its tasks, and folds away when the batch ends", async () => {
    const task = await claimOne();
    expect((await look()).progress).toBe(0);
    await tell(task, 7);
    expect(await look()).toMatchObject({ progress: 35, counts: { running: 10, succeeded: 0 }, stages: [{ done: 7, total: 20 }] });
    expect(await doneInTasks()).toEqual([7, 0]);
    await engine.settle(
      [task],
      map(() => emitted()),
    );
    expect(await look()).toMatchObject({ progress: 50, counts: { succeeded: 10 }, stages: [{ done: 10 }] });
    expect(await doneInTasks()).toEqual([10, 0]);
  });

  it("never goes back, nor past what the batch holds", async () => {
    const task = await claimOne();
    await tell(task, 7);
    await tell(task, 3);
    expect((await look()).progress).toBe(35);
    await tell(task, 1_000);
    expect((await look()).progress).toBe(50);
  });

  it("is believed only from who holds the task now", async () => {
    const zombie = await claimOne();
    await engine.rows(sql`UPDATE tasks SET lease_until = now() - interval '1 hour' WHERE id = ${zombie.id}::uuid`);
    await clone.database.asSystem((transaction) => reapExpired(transaction));
    await tell(zombie, 9);
    const heir = await claimOne(OTHER);
    expect([heir.id, heir.epoch]).toEqual([zombie.id, zombie.epoch + 1]);
    await tell(zombie, 9);
    await tell(heir, 9, WORKER);
    expect((await look()).progress).toBe(0);
    await tell(heir, 2, OTHER);
    expect((await look()).progress).toBe(10);
  });
});

const died = (culprit: number | undefined): TaskOutcome => ({
  type: "failed",
  failure: { class: "crashed", code: "crashed", message: "as told" },
  step: "a",
  culprit,
});

describe("progress that was shown stays", () => {
  const ways: [name: string, happen: (task: ClaimedTask) => Promise<unknown>][] = [
    [
      "its lease ends",
      (task) =>
        engine
          .rows(sql`
      WITH ended AS (UPDATE tasks SET lease_until = now() - interval '1 hour' WHERE id = ${task.id}::uuid) SELECT`)
          .then(() => clone.database.asSystem((transaction) => reapExpired(transaction))),
    ],
    [
      "its worker hands it back",
      (task) =>
        clone.database.asSystem((transaction) =>
          release(transaction, { workerId: WORKER, leases: [{ taskId: task.id, epoch: task.epoch }], delayMs: 0 }),
        ),
    ],
    ["its host dies with one item to blame", (task) => engine.settle([task], () => died(7))],
    ["its host dies with nobody to blame, so that it is cut in two", (task) => engine.settle([task], () => died(undefined))],
    [
      "some of its items fail and are tried alone",
      (task) =>
        engine.settle(
          [task],
          map((_entry, index) => (index < 4 ? failed() : emitted())),
        ),
    ],
    [
      "some fail for good",
      (task) =>
        engine.settle(
          [task],
          map((_entry, index) => (index < 4 ? failed({ class: "bad_input" }) : emitted())),
        ),
    ],
  ];
  it.each(ways)("where %s", async (_name, happen) => {
    const task = await claimOne();
    await tell(task, 9);
    let last = (await look()).progress;
    expect(last).toBe(45);
    await happen(task);
    for (let rounds = 0; (await look()).progress < 100; rounds++) {
      expect(rounds).toBeLessThan(20);
      const { progress } = await look();
      expect(progress).toBeGreaterThanOrEqual(last);
      last = progress;
      await engine.settle(
        [await claimOne()],
        map(() => emitted()),
      );
    }
    expect((await look()).progress).toBe(100);
  });
});
