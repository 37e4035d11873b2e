import { decodeId } from "@filemill/contract/ids.ts";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { sql } from "../../db/sql.ts";

let app: TestApp;
let tenant: TestTenant;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());
beforeEach(async () => {
  tenant = await app.tenant();
});

const PIPELINE = { steps: { stats: { use: "text.stats" } } };
const URLS = { kind: "urls", urls: ["https://example.org/a.txt?token=secret"] };

function post(body: Record<string, unknown>, headers: Record<string, string> = {}) {
  return tenant.fetch("/jobs", {
    method: "POST",
    body: JSON.stringify({ pipeline: PIPELINE, ...body }),
    headers: { "content-type": "application/json", ...headers },
  });
}

test("a job with a source is accepted without files, once for a key, and shows its source", async () => {
  const key = { "idempotency-key": "one" };
  const first = await post({ source: URLS }, key);
  expect(first.status).toBe(202);
  const accepted = await answerOf(first);
  expect(accepted).toMatchObject({ status: "queued", estimated_completion: null, files: [] });
  expect((await answerOf(await post({ source: URLS }, key))).job_id).toBe(accepted.job_id);
  expect((await post({ source: { ...URLS, recollect: true } }, key)).status).toBe(422);

  const job = await (await tenant.fetch(`/jobs/${accepted.job_id}`)).json();
  expect(job).toMatchObject({ progress: 0, source: { kind: "urls", status: "open", listed: 0, collected: 0, unchanged: 0 } });
  const tasks = await (await tenant.fetch(`/jobs/${accepted.job_id}/tasks`)).json();
  expect(tasks).toMatchObject({ data: [{ kind: "source", status: "ready", items: 0 }] });
  const other = await app.tenant();
  expect((await other.fetch(`/jobs/${accepted.job_id}`)).status).toBe(404);
});

test("the log, the audit log and events say nothing of its addresses", async () => {
  expect((await post({ source: URLS })).status).toBe(202);
  const rows = await app.services.database.asSystem((transaction) =>
    transaction.query<{ text: string }>(sql`
      SELECT string_agg(detail::text, ' ') || (SELECT string_agg(data::text, ' ') FROM events) AS text FROM audit_entries`),
  );
  expect(rows[0]?.text).toContain('"source": "urls"');
  expect(rows[0]?.text).not.toContain("secret");
  expect(JSON.stringify(app.logged)).not.toContain("secret");
});

test.each([
  ["neither inputs nor source", {}, "/inputs"],
  ["both", { inputs: ["file_x"], source: URLS }, "/source"],
  ["a list of URLs without one", { source: { kind: "urls" } }, "/source"],
  ["both kinds of list", { source: { ...URLS, file: "file_x" } }, "/source"],
  ["an empty list", { source: { kind: "urls", urls: [] } }, "/source/urls"],
  ["an unknown kind", { source: { kind: "ftp" } }, "/source/kind"],
  ["an unknown setting", { source: { ...URLS, retries: 3 } }, "/source/retries"],
  ["credentials", { source: { kind: "s3", from: "raw", secret: "x" } }, "/source/secret"],
  ["a bucket and a name", { source: { kind: "s3", from: "raw", bucket: "b" } }, "/source"],
  ["neither container nor name", { source: { kind: "azure" } }, "/source"],
  ["a name that is none", { source: { kind: "s3", from: "../raw" } }, "/source/from"],
  ["a size without a unit", { source: { ...URLS, limits: { max_size: "5" } } }, "/source/limits/max_size"],
])("%s is a 400 that says where", async (_what, body, pointer) => {
  const response = await post(body);
  expect(response.status).toBe(400);
  const { code, issues } = await answerOf(response);
  expect(code).toBe("validation_failed");
  expect(issues.map((issue) => issue.pointer)).toContain(pointer);
});

test("a list file that is not there, or another tenant's, is a 404", async () => {
  const other = await app.tenant();
  const stored = await answerOf(await other.fetch("/files/list.txt", { method: "PUT", body: "https://example.org/\n" }));
  for (const file of [stored.files[0]?.id, "file_nothing"]) {
    expect((await post({ source: { kind: "urls", file } })).status).toBe(404);
  }
});

test("an ended source shows as such: a cancelled job lists no more", async () => {
  const { job_id: jobId } = await answerOf(await post({ source: URLS }));
  await tenant.fetch(`/jobs/${jobId}/cancel`, { method: "POST" });
  expect(await (await tenant.fetch(`/jobs/${jobId}`)).json()).toMatchObject({ status: "cancelled", source: { status: "ended" } });
  expect((await tenant.fetch(`/jobs/${jobId}`, { method: "DELETE" })).status).toBe(204);
  const [left] = await app.services.database.asSystem((transaction) =>
    transaction.query<{ rows: number }>(sql`SELECT count(*) AS rows FROM job_sources WHERE job_id = ${decodeId("job", jobId)}::uuid`),
  );
  expect(left?.rows).toBe(0);
});
