import { randomUUID } from "node:crypto";
import { encodeId } from "@filemill/contract/ids.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answerOf, startTestApp, type TestApp } from "../../test/test-app.ts";
import { sql } from "../db/sql.ts";

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

test("a job whose rows somebody holds is not waited for for ever: 503, come again in a second", async () => {
  const tenant = await app.tenant();
  const jobId = randomUUID();
  const { database } = app.cloned;
  await database.asSystem(async (transaction) => {
    await transaction.execute(sql`
      INSERT INTO jobs (id, tenant_id, pipeline_name, input_items, next_ordinal) VALUES (${jobId}, ${tenant.id}, 'p', 1, 1)`);
    await transaction.execute(
      sql`INSERT INTO job_stages (job_id, stage, tenant_id, kind, open_tasks) VALUES (${jobId}, 0, ${tenant.id}, 'map', 1)`,
    );
  });
  const held = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  const holder = database.asSystem(async (transaction) => {
    await transaction.query(sql`SELECT FROM job_stages WHERE job_id = ${jobId} FOR UPDATE`);
    held.resolve();
    await done.promise;
  });
  await held.promise;
  const response = await tenant.fetch(`/jobs/${encodeId("job", jobId)}/cancel`, { method: "POST" });
  done.resolve();
  await holder;
  expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(await answerOf(response)).toMatchObject({ code: "unavailable", detail: expect.stringContaining("Nothing was done") });
});
