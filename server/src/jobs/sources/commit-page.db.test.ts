import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../../test/database.ts";
import { emitted, failed, openEngine, WORKER, type Engine } from "../../../test/engine/engine.ts";
import { mapThenGather, mapThenTree, ONE_MAP } from "../../../test/engine/plans.ts";
import { sql } from "../../db/sql.ts";
import type { ClaimedTask } from "../../queue/task.ts";
import { JobsCancelled } from "../advance/stage-rows.ts";
import { cancelJob } from "../cancel.ts";
import type { Plan } from "../plan.ts";
import { getJob } from "../queries.ts";
import { retryJob } from "../retry.ts";
import { commitPage, type CommittedPage } from "./commit-page.ts";
import type { SourcePage } from "./source.ts";

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
});

const submit = async (plan: Plan) => {
  jobId = await engine.submit(tenantId, plan, [], { source: { kind: "urls", urls: ["https://example.org/"] } });
};

async function claimSource(workerId = WORKER): Promise<ClaimedTask> {
  await engine.skipBackoffs();
  const source = (await engine.claim({ workerId, want: 1 }))[0];
  if (source?.kind !== "source") throw new Error(`a ${source?.kind ?? "nothing"} was claimed, and not the source`);
  return source;
}

function pageOf(numbers: readonly number[], more: Partial<SourcePage> = {}): SourcePage {
  const inputs = numbers.map((number) => ({
    location: `https://example.org/${number}`,
    name: `${number}`,
    sizeBytes: 10,
    etag: `"${number}"`,
  }));
  return { inputs, cursor: { next: (numbers.at(-1) ?? 0) + 1 }, ...more };
}

async function commit(task: ClaimedTask, page: SourcePage, workerId = WORKER): Promise<CommittedPage | undefined> {
  const [spec] = await engine.rows<{ plan: Plan }>(sql`SELECT plan FROM job_specs WHERE job_id = ${task.jobId}::uuid`);
  const plan = spec?.plan ?? { stages: [] };
  return await clone.database.asSystem((transaction) => commitPage(transaction, { task, plan, workerId, kind: "urls", page }));
}

const end = (task: ClaimedTask) => engine.settle([task], () => ({ type: "done", results: [{ ok: true, outputs: [] }] }));
const collected = (task: ClaimedTask) => ({ type: "done" as const, results: task.entries.map(() => emitted("")) });
const outcome = (task: ClaimedTask) => {
  if (task.stage === 1) return collected(task);
  return { type: "done" as const, results: task.kind === "map" ? task.entries.map(() => emitted()) : [emitted("t")] };
};
const listed = async () => {
  const [row] = await engine.rows<{ listed: number; cursor: unknown; items: number }>(sql`
    SELECT listed, cursor, (SELECT count(*) FROM source_items WHERE job_id = ${jobId}::uuid) AS items FROM job_sources WHERE job_id = ${jobId}::uuid`);
  return row;
};

describe("a page", () => {
  test("makes items, tasks and cursor true at once, and only for who holds the source", async () => {
    await submit(ONE_MAP);
    const zombie = await claimSource();
    expect(await commit(zombie, pageOf([0, 1, 2]))).toMatchObject({ items: 3, paused: false, lanes: new Set(["default"]) });
    expect(await listed()).toEqual({ listed: 3, cursor: { next: 3 }, items: 3 });

    // Its lease ends, another goes on at the cursor; the first comes back with what the other has listed as well.
    await engine.rows(sql`UPDATE tasks SET status = 'ready', worker_id = NULL, lease_until = NULL WHERE id = ${zombie.id}::uuid`);
    const heir = await claimSource(OTHER);
    expect(heir.id).toBe(zombie.id);
    expect(await commit(heir, pageOf([3, 4]), OTHER)).toMatchObject({ items: 2 });
    expect(await commit(zombie, pageOf([3, 4]))).toBeUndefined();
    expect(await listed()).toEqual({ listed: 5, cursor: { next: 5 }, items: 5 });
    const ordinals = await engine.rows<{ ordinal: number }>(
      sql`SELECT unnest(ordinals) AS ordinal FROM task_inputs WHERE job_id = ${jobId}::uuid AND cardinality(ordinals) > 0 ORDER BY 1`,
    );
    expect(ordinals.map((row) => row.ordinal)).toEqual([0, 1, 2, 3, 4]);
  });

  test("of which ten come at once is taken once", async () => {
    await submit(ONE_MAP);
    const task = await claimSource();
    const page = pageOf([0, 1], { take: "unseen" });
    const results = await Promise.all(Array.from({ length: 10 }, () => commit(task, page)));
    expect(results.reduce((sum, result) => sum + (result?.items ?? 0), 0)).toBe(2);
    expect(await listed()).toMatchObject({ listed: 2, items: 2 });
  });

  test("that pauses hands the task back without a charge, and forgets what was charged before", async () => {
    await submit(ONE_MAP);
    const first = await claimSource();
    await engine.rows(sql`UPDATE tasks SET attempts = 3, losses = 2, handbacks = 50 WHERE id = ${first.id}::uuid`);
    expect(await commit(first, pageOf([], { pauseMs: 60_000 }))).toMatchObject({ items: 0, paused: true });
    expect(await commit(first, pageOf([1]))).toBeUndefined();
    expect(await engine.claim({ want: 1 })).toEqual([]);
    expect(await claimSource()).toMatchObject({ id: first.id, epoch: 2, attempts: 0, losses: 0, handbacks: 0 });
  });

  test("of a cancelled job is refused", async () => {
    await submit(ONE_MAP);
    const task = await claimSource();
    await engine.rows(sql`UPDATE job_stages SET status = 'cancelled' WHERE job_id = ${jobId}::uuid`);
    await expect(commit(task, pageOf([0]))).rejects.toBeInstanceOf(JobsCancelled);
    expect(await listed()).toMatchObject({ listed: 0, items: 0 });
    await engine.rows(sql`UPDATE job_stages SET status = 'open' WHERE job_id = ${jobId}::uuid`);
    await cancelJob(clone.database, { tenantId, jobId, actor: "key_test" });
    expect(await commit(task, pageOf([0]))).toBeUndefined();
  });
});

describe("a job with a source", () => {
  test("ends with it: an empty one at once, another when its items have ended", async () => {
    await submit(ONE_MAP);
    await end(await claimSource());
    expect(await getJob(clone.database, { tenantId, jobId })).toMatchObject({ status: "completed", counts: { total: 0 } });

    await submit(ONE_MAP);
    const task = await claimSource();
    await commit(task, pageOf([0, 1]));
    await engine.settle(await engine.claim({ want: 10 }), collected);
    await engine.drain(outcome);
    const open = await getJob(clone.database, { tenantId, jobId });
    expect(open).toMatchObject({ status: "queued", estimated_completion: null, counts: { total: 2, succeeded: 2 } });
    expect(open.progress).toBeLessThan(1);
    await end(task);
    expect(await getJob(clone.database, { tenantId, jobId })).toMatchObject({ status: "completed", progress: 100 });
  });

  test.each([
    [
      "a tree",
      mapThenTree(2),
      [
        { level: 1, nodes: 3 },
        { level: 2, nodes: 2 },
        { level: 3, nodes: 1 },
      ],
    ],
    ["a gather", mapThenGather(), [{ level: null, nodes: 1 }]],
  ])("lets %s begin when the source has ended, and over all of it", async (_what, plan, levels) => {
    await submit(plan);
    const task = await claimSource();
    for (const numbers of [[0, 1], [2], [3, 4]]) {
      await commit(task, pageOf(numbers));
      await engine.drain(outcome);
    }
    const reduces = () =>
      engine.rows<{ level: number | null; nodes: number }>(sql`
        SELECT tree_level AS level, count(*) AS nodes FROM tasks WHERE job_id = ${jobId}::uuid AND kind IN ('tree', 'gather') GROUP BY 1 ORDER BY 1`);
    expect(await reduces()).toEqual([]);
    await end(task);
    await engine.drain(outcome);
    expect(await reduces()).toEqual(levels);
    expect((await getJob(clone.database, { tenantId, jobId })).status).toBe("completed");
  });

  test("whose listing fails is tried again, dies, and goes on at its cursor after a retry", async () => {
    await submit(mapThenGather());
    const external = failed();
    for (let attempt = 1; attempt <= 6; attempt++) {
      const task = await claimSource();
      if (attempt === 1) await commit(task, pageOf([0, 1]));
      await engine.rows(sql`UPDATE tasks SET attempts = ${attempt - 1} WHERE id = ${task.id}::uuid`);
      await engine.settle([{ ...task, attempts: attempt - 1 }], () => ({ type: "done", results: [external] }));
      if (attempt === 1) await engine.settle(await engine.claim({ want: 10 }), collected);
      if (attempt === 1)
        await engine.settle(
          (await engine.claim({ want: 10 })).filter(({ kind }) => kind === "map"),
          outcome,
        );
    }
    const dead = await getJob(clone.database, { tenantId, jobId });
    expect(dead).toMatchObject({ status: "failed", source: { status: "ended", listed: 2 }, counts: { total: 2, succeeded: 2 } });
    await retryJob(clone.database, { tenantId, jobId, actor: "key_test" });
    const again = await claimSource();
    expect(await listed()).toMatchObject({ cursor: { next: 2 } });
    await commit(again, pageOf([2]));
    await end(again);
    await engine.drain(outcome);
    const [gather] = await engine.rows<{ inputs: number }>(sql`
      SELECT cardinality(files) AS inputs FROM task_inputs JOIN tasks ON id = task_id WHERE tasks.job_id = ${jobId}::uuid AND kind = 'gather' AND status = 'succeeded'`);
    expect(gather).toEqual({ inputs: 3 });
    expect((await getJob(clone.database, { tenantId, jobId })).status).toBe("completed");
  });

  test("keeps what another tenant has out of its sight", async () => {
    await submit(ONE_MAP);
    await commit(await claimSource(), pageOf([0]));
    const foreign = await engine.tenant();
    for (const table of ["job_sources", "source_items"]) {
      const rows = await clone.database.asTenant(foreign, (transaction) =>
        transaction.query({ text: `SELECT 1 FROM ${table} WHERE job_id = $1::uuid`, values: [jobId] }),
      );
      expect(rows).toEqual([]);
    }
  });
});
