import { beforeAll, expect, test } from "vitest";
import type { ClonedDatabase } from "../../test/database.ts";
import type { Engine } from "../../test/engine/engine.ts";
import type { Platform } from "../../test/engine/platform.ts";
import { openWorkingPlatform } from "../../test/engine/working-platform.ts";
import { sql } from "../db/sql.ts";
import { deleteJob } from "../jobs/delete-job.ts";
import { endHistories } from "./end-histories.ts";

let clone: ClonedDatabase;
let engine: Engine;
let platform: Platform;
let tenantId: string;
beforeAll(async () => {
  const opened = await openWorkingPlatform();
  ({ clone, engine, platform, tenantId } = opened);
  return opened.close;
});

async function deletedJob(): Promise<string> {
  const files = await Promise.all(["a", "b"].map((name) => platform.put(tenantId, `${name}.txt`, name)));
  const steps = { stats: { use: "text.stats" }, all: { use: "archive.zip", needs: ["stats"] } };
  const jobId = await platform.submit(tenantId, { steps }, files);
  expect(await platform.ended(jobId)).toBe("completed");
  await deleteJob(clone.database, { tenantId, jobId, actor: "key_test" });
  return jobId;
}

async function left(jobId: string) {
  const [row] = await engine.rows<Record<string, number>>(sql`
    SELECT (SELECT count(*) FROM outputs WHERE job_id = ${jobId}::uuid) AS outputs,
      (SELECT count(*) FROM task_inputs WHERE job_id = ${jobId}::uuid) AS reduces,
      (SELECT count(*) FROM files WHERE job_id = ${jobId}::uuid AND origin = 'intermediate') AS intermediates,
      (SELECT count(*) FROM deleted_jobs WHERE job_id = ${jobId}::uuid) AS histories`);
  return row;
}

const KEPT = { outputs: 3, reduces: 1, intermediates: 2, histories: 1 };
const aDayLater = (jobId: string) =>
  engine.rows(sql`UPDATE deleted_jobs SET looked_at = now() - interval '25 hours' WHERE job_id = ${jobId}::uuid`);

test("a history stays while one of its files does, and is looked at once a day", async () => {
  const jobId = await deletedJob();
  expect(await left(jobId)).toEqual(KEPT);
  await aDayLater(jobId);
  expect(await endHistories(clone.database)).toBe(0);
  expect(await left(jobId)).toEqual(KEPT);
  await engine.rows(sql`UPDATE files SET status = 'deleted' WHERE job_id = ${jobId}::uuid`);
  expect(await endHistories(clone.database)).toBe(0);
  await aDayLater(jobId);
  const rounds = await Promise.all(Array.from({ length: 5 }, () => endHistories(clone.database)));
  expect(rounds.reduce((sum, ended) => sum + ended, 0)).toBe(1);
  expect(await left(jobId)).toEqual({ outputs: 0, reduces: 0, intermediates: 0, histories: 0 });
});
