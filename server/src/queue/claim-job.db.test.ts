import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine, succeed, type Engine } from "../../test/engine/engine.ts";
import { ONE_MAP, stage, step } from "../../test/engine/plans.ts";
import { sql } from "../db/sql.ts";
import type { Plan } from "../jobs/plan.ts";
import { claimJob, claimTasksOf, leftToDo, type JobClaim, type NotToBeHad } from "./claim-job.ts";
import { claimNextJob } from "./claim-next-job.ts";
import { dropHold, renewHold } from "./job-hold.ts";

/** Three tasks of one item each. */
const THREE: Plan = { stages: [stage(0, [step("a")], { batch: { items: 1 } })] };
/** Runs of half the items. */
const RUNS: Plan = { stages: [stage(0, [step("a")], { batch: { fraction: 0.5, sequential: true } })] };

let clone: ClonedDatabase;
let engine: Engine;
let tenantId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
});
beforeEach(async () => {
  await engine.rows(sql`DELETE FROM tasks`);
  await engine.rows(sql`DELETE FROM job_holds`);
  tenantId = await engine.tenant();
});
afterAll(() => clone.close());

const submit = async (plan: Plan, items = 3, tenant = tenantId) => await engine.submit(tenant, plan, await engine.files(tenant, items));

const next = (options: { workerId?: string; lanes?: readonly string[]; want?: number } = {}) =>
  engine.database.asSystem((transaction) => claimNextJob(transaction, { workerId: uuidv7(), lanes: ["default"], want: 2, ...options }));

/** As the program does it: what is not to be had leaves nothing behind. */
async function named(jobId: string, workerId = uuidv7()): Promise<JobClaim | NotToBeHad> {
  let why: NotToBeHad | undefined;
  try {
    return await engine.database.asSystem(async (transaction) => {
      const claim = await claimJob(transaction, jobId, { workerId, lanes: ["default"], want: 2 });
      if (typeof claim !== "string") return claim;
      why = claim;
      throw new Error(claim);
    });
  } catch (error) {
    if (why === undefined) throw error;
    return why;
  }
}

const jobsOf = (claims: readonly (JobClaim | undefined)[]) => claims.flatMap((claim) => claim?.jobId ?? []);

describe("the next job", () => {
  test("ten that come at once for ten jobs take one each, whatever the number of their tasks", async () => {
    const jobs = await Promise.all(Array.from({ length: 10 }, (_unused, index) => submit(index % 2 === 0 ? THREE : ONE_MAP)));
    const claims = await Promise.all(Array.from({ length: 10 }, () => next()));
    expect(jobsOf(claims).toSorted()).toEqual(jobs.toSorted());
    expect(await next()).toBeUndefined();
  });

  test("goes in the order of a tenant's tasks, and takes as many of them as there is place for", async () => {
    const [first, second] = [await submit(THREE), await submit(THREE)];
    const claims = [await next(), await next()];
    expect(jobsOf(claims)).toEqual([first, second]);
    expect(claims.map((claim) => claim?.tasks.length)).toEqual([2, 2]);
  });

  test("is taken from the lanes that were named", async () => {
    await submit(ONE_MAP);
    const heavy = await submit({ stages: [stage(0, [step("a")], { lane: "heavy" })] });
    expect((await next({ lanes: ["heavy"] }))?.jobId).toBe(heavy);
    expect(await next({ lanes: ["heavy", "other"] })).toBeUndefined();
  });

  test("is not always the tenant's with the most jobs", async () => {
    const other = await engine.tenant();
    for (let job = 0; job < 30; job++) await submit(ONE_MAP, 1);
    const single = await submit(ONE_MAP, 1, other);
    const claims: (JobClaim | undefined)[] = [];
    // Each has one chance in two: that all of 24 miss it happens once in 16 million.
    for (let claim = 0; claim < 24; claim++) claims.push(await next());
    expect(jobsOf(claims)).toContain(single);
  });

  test("is none while its tenant is at its cap", async () => {
    const capped = await engine.tenant({ maxRunning: 1 });
    await submit(ONE_MAP, 1, capped);
    await submit(ONE_MAP, 1, capped);
    const claims = await Promise.all([next(), next()]);
    expect(jobsOf(claims)).toHaveLength(1);
    expect(await next()).toBeUndefined();
    const held = await engine.rows(sql`SELECT job_id FROM job_holds`);
    expect(held).toHaveLength(1);
  });
});

describe("a job by its name", () => {
  test("is unknown, ended, or has nothing ready", async () => {
    const ended = await submit(ONE_MAP);
    await engine.drain();
    const elsewhere = await submit(ONE_MAP);
    await engine.claim();
    expect(await named(uuidv7())).toBe("unknown");
    expect(await named(ended)).toBe("ended");
    expect(await named(elsewhere)).toBe("nothing_ready");
    expect(await engine.rows(sql`SELECT job_id FROM job_holds`)).toEqual([]);
  });

  test("is held while another has it, renewed or not, and free when that has let go or died", async () => {
    const jobId = await submit(THREE);
    const first = uuidv7();
    expect(await named(jobId, first)).toMatchObject({ jobId });
    expect(await named(jobId)).toBe("held");
    await engine.database.asSystem((transaction) => renewHold(transaction, { jobId, workerId: first }));
    await engine.database.asSystem((transaction) => dropHold(transaction, { jobId, workerId: uuidv7() }));
    expect(await named(jobId)).toBe("held");
    await engine.rows(sql`UPDATE job_holds SET held_until = now() - interval '1 second'`);
    const second = uuidv7();
    expect(await named(jobId, second)).toMatchObject({ jobId });
    await engine.database.asSystem((transaction) => dropHold(transaction, { jobId, workerId: second }));
    expect(await named(jobId)).toBe("nothing_ready");
  });

  test("ten at once for one job: one has it", async () => {
    const jobId = await submit(THREE);
    const claims = await Promise.all(Array.from({ length: 10 }, () => named(jobId)));
    expect(claims.filter((claim) => typeof claim !== "string")).toHaveLength(1);
    expect(claims.filter((claim) => claim === "held")).toHaveLength(9);
  });
});

describe("the rest of a job in hand", () => {
  const of = (claim: JobClaim, workerId: string) => {
    const run = { stages: claim.runStages, since: claim.claimedAt, taskIds: claim.tasks.map((task) => task.id) };
    return { jobId: claim.jobId, tenantId, workerId, lanes: ["default"], want: 16, run };
  };
  const left = (claim: JobClaim, workerId: string) => engine.database.asSystem((transaction) => leftToDo(transaction, of(claim, workerId)));
  const more = (claim: JobClaim, workerId: string) =>
    engine.database.asSystem((transaction) => claimTasksOf(transaction, of(claim, workerId)));

  test("without runs, all that is ready is its own", async () => {
    await submit(THREE, 5);
    const workerId = uuidv7();
    const claim = await next({ workerId });
    if (!claim) throw new Error("there was a job");
    expect(await left(claim, workerId)).toEqual({ nextMs: 0, mine: 2 });
    expect(await more(claim, workerId)).toHaveLength(3);
    expect(await left(claim, workerId)).toEqual({ nextMs: undefined, mine: 5 });
  });

  test("with runs, the next one is another's; what became of this one is its own", async () => {
    await submit(RUNS, 8);
    const workerId = uuidv7();
    const claim = await next({ workerId });
    if (!claim) throw new Error("there was a job");
    expect(claim).toMatchObject({ runStages: [0] });
    expect(claim.tasks.map((task) => task.entries.length)).toEqual([4]);
    // Nobody knows which item took the host down: the batch is cut in half.
    const died = {
      type: "failed",
      failure: { class: "crashed", code: "crashed", message: "as told" },
      step: null,
      culprit: undefined,
    } as const;
    await engine.settle(claim.tasks, () => died, workerId);
    expect(await left(claim, workerId)).toEqual({ nextMs: 0, mine: 0 });
    const halves = await more(claim, workerId);
    expect(halves.map((task) => task.entries.length)).toEqual([2, 2]);
    await engine.settle(halves, succeed(engine), workerId);
    expect(await engine.rows(sql`SELECT status FROM tasks WHERE status = 'ready'`)).toHaveLength(1);
    expect(await left(claim, workerId)).toEqual({ nextMs: undefined, mine: 0 });
    expect(await more(claim, workerId)).toEqual([]);
  });

  test("a task that backs off is told with the time that it still takes", async () => {
    await submit(ONE_MAP, 1);
    const workerId = uuidv7();
    const claim = await next({ workerId });
    if (!claim) throw new Error("there was a job");
    const crashed = { ok: false, step: "a", failure: { class: "crashed", code: "crashed", message: "as told" } } as const;
    await engine.settle(claim.tasks, () => ({ type: "done", results: [crashed] }), workerId);
    const { nextMs, mine } = await left(claim, workerId);
    expect(nextMs).toBeGreaterThan(100);
    expect(nextMs).toBeLessThan(2_000);
    expect(mine).toBe(0);
  });
});
