import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openCountingPlatform, runsOf, STATS, type CountingPlatform } from "../../test/engine/counting-platform.ts";
import type { Engine } from "../../test/engine/engine.ts";
import type { Platform } from "../../test/engine/platform.ts";
import { sql } from "../db/sql.ts";
import { installFailpoint } from "../failpoint.ts";
import { deleteJob } from "../jobs/delete-job.ts";
import { expireRows } from "../lifecycle/expire-rows.ts";

let counting: CountingPlatform;
let engine: Engine;
let platform: Platform;
let tenantId: string;
beforeAll(async () => {
  counting = await openCountingPlatform();
  ({ engine, platform } = counting);
  return counting.close;
});
beforeEach(async () => {
  tenantId = await engine.tenant();
});

const { put, run, rowsOf } = runsOf(() => ({ counting, tenantId }));

describe("each file has a life of its own", () => {
  test("deleting the first result, with its job, leaves the second; and the other way round", async () => {
    const [a = ""] = await put("hello");
    const first = await run(STATS, [a]);
    const second = await run(STATS, [a]);
    const [made] = await rowsOf(first.jobId);
    const [again] = await rowsOf(second.jobId);
    expect(again?.fileId).not.toBe(made?.fileId);
    await deleteJob(counting.clone.database, { tenantId, jobId: first.jobId, actor: "key_test" });
    await engine.rows(sql`DELETE FROM files WHERE id = ${made?.fileId}::uuid`);
    expect(await platform.outputs(tenantId, second.jobId)).toEqual(second.outputs);
  });
});

test("a commit that fails leaves no result behind", async () => {
  const [a = ""] = await put("hello");
  const faults = installFailpoint("commit-before-commit:error");
  const jobId = await platform.submit(tenantId, STATS, [a]);
  await expect.poll(() => faults.hits.get("commit-before-commit") ?? 0, { timeout: 10_000 }).toBeGreaterThan(0);
  expect(await engine.rows(sql`SELECT FROM cached_results WHERE tenant_id = ${tenantId}::uuid`)).toEqual([]);
  faults.remove();
  await expect
    .poll(
      async () => {
        await engine.rows(sql`UPDATE tasks SET run_at = now() WHERE job_id = ${jobId}::uuid AND status = 'ready'`);
        return (await engine.rows<{ status: string }>(sql`SELECT status FROM jobs WHERE id = ${jobId}::uuid`))[0]?.status;
      },
      { timeout: 10_000 },
    )
    .toBe("completed");
  expect(await engine.rows(sql`SELECT FROM cached_results WHERE tenant_id = ${tenantId}::uuid`)).toHaveLength(1);
});

test("ten jobs of the same at once all end well, and leave one entry a file", async () => {
  const files = await put(...Array.from({ length: 20 }, (_unused, index) => `text ${index}`));
  const jobs = await Promise.all(Array.from({ length: 10 }, () => platform.submit(tenantId, STATS, files)));
  for (const jobId of jobs) expect(await platform.ended(jobId, 30_000)).toBe("completed");
  const entries = await engine.rows<{ key: Buffer }>(sql`SELECT key FROM cached_results WHERE tenant_id = ${tenantId}::uuid`);
  expect(entries).toHaveLength(20);
});

test("a hit prolongs an entry that was not used for a day, and no other", async () => {
  const [a = ""] = await put("hello");
  await run(STATS, [a]);
  const age = (days: number) =>
    engine.rows(sql`UPDATE cached_results SET expires_at = now() + ${days} * interval '1 day' WHERE tenant_id = ${tenantId}::uuid`);
  const days = () =>
    engine
      .rows<{ days: number }>(
        sql`SELECT round(extract(epoch FROM expires_at - now()) / 86400)::int AS days FROM cached_results WHERE tenant_id = ${tenantId}::uuid`,
      )
      .then((rows) => rows[0]?.days);
  await age(5);
  expect((await run(STATS, [a])).worked).toBe(0);
  expect(await days()).toBe(30);
  await age(-1);
  expect((await expireRows(counting.clone.database)).cachedResults).toBeGreaterThan(0);
  expect((await run(STATS, [a])).worked).toBe(1);
  await age(-1);
  expect((await run(STATS, [a])).worked).toBe(1);
  expect((await run(STATS, [a])).worked).toBe(0);
});
