import { decodeId } from "@filemill/contract/ids.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { map, emitted, openEngine, type Engine } from "../../test/engine/engine.ts";
import { ONE_MAP } from "../../test/engine/plans.ts";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../test/test-app.ts";
import { sql } from "../db/sql.ts";
import { holdFile } from "./hold.ts";
import { deleteOutputs } from "./delete-outputs.ts";

let app: TestApp;
let engine: Engine;
let tenant: TestTenant;
let tenantId: string;
beforeAll(async () => {
  app = await startTestApp();
  engine = openEngine(app.cloned.database);
  tenant = await app.tenant("admin");
  tenantId = decodeId("tenant", tenant.id) ?? tenant.id;
});
afterAll(() => app.close());

/** A job that has ended; of the files named, these are outputs of it, and the upload is one that it passed on. */
async function endedJob() {
  const jobId = await engine.submit(tenantId, ONE_MAP, await engine.files(tenantId, 1));
  await engine.drain(map(() => emitted("a")));
  const [upload = "", ...outputs] = await engine.files(tenantId, 1_203);
  await engine.rows(sql`UPDATE files SET origin = 'output', job_id = ${jobId}::uuid WHERE id = ANY(${outputs}::uuid[])`);
  return { tenantId, jobId, actor: "key_test", upload, outputs };
}

const stored = async (ids: readonly string[]) =>
  (await engine.rows<{ id: string }>(sql`SELECT id FROM files WHERE id = ANY(${ids}::uuid[]) AND status = 'stored'`)).length;

test("outputs go, however many, and nothing else", async () => {
  const job = await endedJob();
  const other = await endedJob();
  const count = await deleteOutputs(app.services, job);
  expect(count).toBeGreaterThanOrEqual(job.outputs.length);
  expect(await stored(job.outputs)).toBe(0);
  expect(await stored([job.upload, ...other.outputs])).toBe(1 + other.outputs.length);
  expect(await deleteOutputs(app.services, job)).toBe(0);
});

test("a held output keeps all of them, and an output that another open job takes keeps itself", async () => {
  const job = await endedJob();
  const [held = "", taken = ""] = job.outputs;
  await holdFile(app.cloned.database, { tenantId, id: held, actor: "key_test", reason: "court" });
  await expect(deleteOutputs(app.services, job)).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining("legal hold"),
  });
  expect(await stored(job.outputs)).toBe(job.outputs.length);

  const second = await endedJob();
  const [input = taken] = second.outputs;
  await engine.submit(tenantId, ONE_MAP, [input]);
  await expect(deleteOutputs(app.services, second)).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining("has not ended"),
  });
  expect(await stored([input])).toBe(1);
  await engine.drain(map(() => emitted("a")));
});

test("another tenant's job is not there, and an open one keeps its outputs", async () => {
  const job = await endedJob();
  const stranger = await engine.tenant();
  await expect(deleteOutputs(app.services, { ...job, tenantId: stranger })).rejects.toMatchObject({ code: "not_found" });
  expect(await stored(job.outputs)).toBe(job.outputs.length);
  const open = await engine.submit(tenantId, ONE_MAP, await engine.files(tenantId, 1));
  await expect(deleteOutputs(app.services, { ...job, jobId: open })).rejects.toMatchObject({ code: "conflict" });
  const refused = await tenant.fetch("/jobs/job_01h00000000000000000000000?outputs=all", { method: "DELETE" });
  expect((await answerOf(refused)).code).toBe("validation_failed");
});
