import { afterAll, beforeAll, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { failed, map, openEngine, type Engine } from "../../test/engine/engine.ts";
import { ONE_MAP } from "../../test/engine/plans.ts";
import { sql } from "../db/sql.ts";
import { deleteJob } from "./delete-job.ts";
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

async function failedJob(): Promise<{ tenantId: string; jobId: string; actor: string }> {
  const jobId = await engine.submit(tenantId, ONE_MAP, await engine.files(tenantId, 3));
  await engine.drain(map(() => failed({ class: "bad_input" })));
  return { tenantId, jobId, actor: "key_test" };
}

test("a retry and a deletion of one job at once don't lock each other out: one of them has its way", async () => {
  for (let round = 0; round < 20; round++) {
    const job = await failedJob();
    const ends = await Promise.allSettled([retryJob(clone.database, job), deleteJob(clone.database, job)]);
    const codes = ends.map((end) => (end.status === "fulfilled" ? "done" : end.reason.code));
    expect([
      ["done", "conflict"],
      ["conflict", "done"],
      ["not_found", "done"],
    ]).toContainEqual(codes);
    await engine.drain();
  }
}, 30_000);

test("a deletion takes what only crossed a stage boundary, and not what a later step passed on as an output", async () => {
  const job = await failedJob();
  const [passedOn, crossed] = await engine.files(tenantId, 2);
  await engine.rows(
    sql`UPDATE files SET origin = 'intermediate', job_id = ${job.jobId}::uuid WHERE id = ANY(${[passedOn, crossed]}::uuid[])`,
  );
  await engine.rows(sql`
    INSERT INTO segments (file_id, ordinal, tenant_id, store, object_key, size_bytes)
    SELECT id, 0, tenant_id, 'disk', tenant_id || '/' || id || '/1/0', 10 FROM files WHERE id = ANY(${[passedOn, crossed]}::uuid[])`);
  await engine.rows(sql`
    INSERT INTO outputs (job_id, ordinal, step, part, tenant_id, task_id, epoch, file_id, processor, processor_version, kept, inputs)
    SELECT ${job.jobId}::uuid, ordinal, step, 0, ${tenantId}::uuid, gen_random_uuid(), 1, file_id::uuid, 'p', '1', kept, '{}'
    FROM (VALUES (0, 'a', ${passedOn}, false), (0, 'b', ${passedOn}, true), (1, 'a', ${crossed}, false)) AS made(ordinal, step, file_id, kept)`);
  expect(await deleteJob(clone.database, job)).toEqual({ objectKeys: [`${tenantId}/${crossed}/1/0`] });
  const left = await engine.rows<{ id: string }>(
    sql`SELECT id FROM files WHERE id = ANY(${[passedOn, crossed]}::uuid[]) AND status = 'stored'`,
  );
  expect(left).toEqual([{ id: passedOn }]);
});
