import { afterAll, beforeAll, expect, test } from "vitest";
import { answerOf, startTestApp, type TestApp } from "../../../test/test-app.ts";

let running: TestApp;

beforeAll(async () => {
  running = await startTestApp({
    store: (real) => ({ ...real, put: (...words) => (storeWorks ? real.put(...words) : Promise.reject(new Error("read-only"))) }),
  });
});

let storeWorks = true;

afterAll(async () => {
  await running.close();
});

test("health and readiness answer without a key; metrics and figures only to an operator", async () => {
  expect((await fetch(`${running.url}/healthz`)).status).toBe(200);
  const ready = await fetch(`${running.url}/readyz`);
  expect(ready.status).toBe(200);
  expect(await ready.json()).toMatchObject({ status: "ready", checks: { database: { ok: true }, store: { ok: true } } });
  expect((await fetch(`${running.url}/metrics`)).status).toBe(401);
  const user = await running.tenant("admin");
  expect((await user.fetch("/admin/metrics")).status).toBe(403);
  expect((await user.fetch("/admin/workers")).status).toBe(403);

  const operator = await running.tenant("operator");
  expect(await (await operator.fetch("/admin/metrics")).json()).toEqual({
    system: { active_workers: 0, queued_jobs: 0, processing_throughput: 0, error_rate: 0 },
    storage: { total_files: 0, total_size_gb: 0, storage_cost_hour: 0 },
    users: { active_tenants: 0, total_users: 2 },
  });
  expect(await (await operator.fetch("/admin/workers")).json()).toEqual({ data: [] });
  const metrics = await fetch(`${running.url}/metrics`, { headers: { authorization: `Bearer ${operator.key}` } });
  expect(await metrics.text()).toContain('filemill_http_request_seconds_count{method="GET",route="/api/v1/admin/metrics",status="403"} 1');
});

test("the number of workers is said by operators, within its limits, and where somebody here runs them", async () => {
  const put = async (role: "admin" | "operator", count: unknown) => {
    const init = { method: "PUT", body: JSON.stringify({ count }), headers: { "content-type": "application/json" } };
    const answer = await (await running.tenant(role)).fetch("/admin/workers", init);
    return { status: answer.status, body: await answerOf(answer) };
  };
  expect(await put("admin", 1)).toMatchObject({ status: 403 });
  for (const count of [-1, 1.5, "2", null])
    expect(await put("operator", count)).toMatchObject({ status: 400, body: { code: "validation_failed" } });
  expect(await put("operator", 17)).toMatchObject({
    status: 400,
    body: { issues: [{ pointer: "/count", message: "must be at most 16; FILEMILL_MAX_WORKERS allows more" }] },
  });
  expect(await put("operator", 2)).toMatchObject({ status: 409, body: { detail: expect.stringContaining("started by something else") } });
});

test("a store that takes nothing makes it not ready, and says which", async () => {
  storeWorks = false;
  try {
    await expect
      .poll(async () => (await fetch(`${running.url}/readyz`)).json(), { timeout: 5_000 })
      .toMatchObject({ status: "not ready", checks: { database: { ok: true }, store: { ok: false } } });
    expect((await fetch(`${running.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${running.url}/healthz`)).status).toBe(200);
  } finally {
    storeWorks = true;
  }
});
