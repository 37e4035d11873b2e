import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeId, encodeId } from "@filemill/contract/ids.ts";
import type { UsageAnswer } from "@filemill/contract/usage.ts";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { sql } from "../../db/sql.ts";

let api: TestApp;
let operator: TestTenant;
beforeAll(async () => {
  api = await startTestApp();
  operator = await api.tenant("operator");
});
afterAll(() => api.close());

const usageOf = async (tenant: TestTenant) => (await (await tenant.fetch("/usage")).json()) as UsageAnswer;

/** A request that is refused gives back what it had reserved right behind its answer. */
async function quietUsageOf(tenant: TestTenant): Promise<UsageAnswer> {
  await expect.poll(() => usageOf(tenant).then(({ reserved }) => reserved), { timeout: 10_000 }).toEqual({ bytes: 0, files: 0 });
  return await usageOf(tenant);
}

async function limit(tenant: TestTenant, limits: { bytes: number | null; files: number | null }): Promise<Response> {
  return await operator.fetch(`/admin/tenants/${encodeId("tenant", tenant.id)}/limits`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(limits),
  });
}

const put = (tenant: TestTenant, bytes: number, name = "f") =>
  tenant.fetch(`/files/${name}`, { method: "PUT", body: Buffer.alloc(bytes, "x") });

function form(bytes: number, parts = 1): FormData {
  const body = new FormData();
  for (let part = 0; part < parts; part++) body.append("file", new Blob([Buffer.alloc(bytes, "y")]), `part-${part}`);
  return body;
}

test("usage is exact after uploads, outputs of nobody, and deletions", async () => {
  const tenant = await api.tenant();
  const first = await answerOf(await put(tenant, 1_000));
  await put(tenant, 50_000);
  await tenant.fetch("/files", { method: "POST", body: form(10, 3) });
  expect(await usageOf(tenant)).toEqual({
    tenant_id: encodeId("tenant", tenant.id),
    used: { bytes: 51_030, files: 5 },
    reserved: { bytes: 0, files: 0 },
    limits: { bytes: null, files: null },
    by_storage_class: { hot: { bytes: 51_030, files: 5 }, cold: { bytes: 0, files: 0 }, archive: { bytes: 0, files: 0 } },
  });
  await tenant.fetch(`/files/${first.files[0]?.id ?? ""}`, { method: "DELETE" });
  expect((await usageOf(tenant)).used).toEqual({ bytes: 50_030, files: 4 });
});

test("of 400 uploads at once against a limit of 100, by any way in, exactly 100 are stored and no sample is above it", async () => {
  const tenant = await api.tenant();
  await limit(tenant, { bytes: null, files: 100 });
  let above = 0;
  let done = false;
  const sampling = (async () => {
    for (let samples = 1; ; samples++) {
      const { used, reserved } = await usageOf(tenant);
      if (used.files + reserved.files > 100) above++;
      if (done) return samples;
    }
  })();
  const answers = await Promise.all(
    Array.from({ length: 400 }, (_unused, index) =>
      index % 2 === 0 ? put(tenant, 20_000) : tenant.fetch("/files", { method: "POST", body: form(100) }),
    ),
  );
  done = true;
  expect(await sampling).toBeGreaterThan(2);
  expect(above).toBe(0);
  const statuses = answers.map(({ status }) => status);
  expect(statuses.filter((status) => status === 201)).toHaveLength(100);
  expect(new Set(statuses)).toEqual(new Set([201, 413]));
  const refused = answers.find(({ status }) => status === 413);
  expect(await refused?.json()).toMatchObject({ code: "quota_exceeded", detail: expect.stringContaining("100 files may be kept") });
  expect((await quietUsageOf(tenant)).used).toMatchObject({ files: 100 });
  const stored = await answerOf(await tenant.fetch("/files?limit=1000"));
  expect(stored.data).toHaveLength(100);
});

test("bytes near the limit fit to the last one, announced or not, and one more does not", async () => {
  const tenant = await api.tenant();
  await limit(tenant, { bytes: 100_000, files: null });
  expect((await put(tenant, 60_000)).status).toBe(201);
  const unannounced = await tenant.fetch("/files/chunked", {
    method: "PUT",
    body: new Blob([Buffer.alloc(40_000)]).stream(),
    duplex: "half",
  });
  expect(unannounced.status).toBe(201);
  expect((await usageOf(tenant)).used.bytes).toBe(100_000);
  expect((await put(tenant, 1)).status).toBe(413);
  expect((await tenant.fetch("/files", { method: "POST", body: form(1) })).status).toBe(413);
  expect((await put(tenant, 0)).status).toBe(201);
  expect((await quietUsageOf(tenant)).used).toMatchObject({ bytes: 100_000, files: 3 });
});

test("what does not fit is refused before its body is asked for", async () => {
  const tenant = await api.tenant();
  await limit(tenant, { bytes: 1_000, files: null });
  const { hostname, port } = new URL(api.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    `PUT /api/v1/files/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tenant.key}\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n`,
  );
  const answer = Buffer.concat(await socket.toArray()).toString();
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(answer).not.toContain("100 Continue");
  expect(answer).toContain("quota_exceeded");
});

test("an upload whose client goes away gives its room back", async () => {
  const tenant = await api.tenant();
  await limit(tenant, { bytes: 1_000_000, files: null });
  const sending = httpRequest(`${api.url}/api/v1/files/gone`, {
    method: "PUT",
    headers: { authorization: `Bearer ${tenant.key}`, "content-length": 900_000 },
  });
  sending.on("error", () => undefined);
  sending.write(Buffer.alloc(100_000));
  await expect.poll(() => usageOf(tenant).then(({ reserved }) => reserved.bytes), { timeout: 10_000 }).toBe(900_000);
  expect((await put(tenant, 200_000)).status).toBe(413);
  sending.destroy();
  await expect.poll(() => usageOf(tenant).then(({ reserved }) => reserved.bytes), { timeout: 10_000 }).toBe(0);
  expect((await put(tenant, 1_000_000)).status).toBe(201);
});

test("a repeated request with its key is answered anew without being counted again", async () => {
  const tenant = await api.tenant();
  await limit(tenant, { bytes: 1_500, files: null });
  const send = () => tenant.fetch("/files/k", { method: "PUT", body: Buffer.alloc(700), headers: { "idempotency-key": "k" } });
  const [first, second] = [await answerOf(await send()), await answerOf(await send())];
  expect(second).toEqual(first);
  expect((await quietUsageOf(tenant)).used).toMatchObject({ bytes: 700, files: 1 });
});

test("an upload that lost its room while it was sent asks again, or is refused and leaves nothing", async () => {
  const tenant = await api.tenant();
  await limit(tenant, { bytes: 1_000_000, files: null });
  const send = async (takenMeanwhile: number) => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const sending = httpRequest(`${api.url}/api/v1/files/slow`, {
      method: "PUT",
      headers: { authorization: `Bearer ${tenant.key}`, "content-length": 500_000 },
    });
    sending.on("response", (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sending.on("error", reject);
    sending.write(Buffer.alloc(1_000));
    await expect.poll(() => usageOf(tenant).then(({ reserved }) => reserved.bytes), { timeout: 10_000 }).toBe(500_000);
    await api.cloned.database.asSystem((transaction) =>
      transaction.execute(sql`DELETE FROM quota_reservations WHERE tenant_id = ${tenant.id}::uuid`),
    );
    if (takenMeanwhile > 0) expect((await put(tenant, takenMeanwhile)).status).toBe(201);
    sending.end(Buffer.alloc(499_000));
    return await promise;
  };
  expect(await send(0)).toBe(201);
  expect(await send(300_000)).toBe(413);
  expect((await quietUsageOf(tenant)).used).toMatchObject({ bytes: 800_000, files: 2 });
});

describe("limits", () => {
  test("are set by operators only, are audited, and of tenants that there are", async () => {
    const tenant = await api.tenant("admin");
    const path = `/admin/tenants/${encodeId("tenant", tenant.id)}/limits`;
    const init = { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify({ bytes: 1, files: null }) };
    expect((await tenant.fetch(path, init)).status).toBe(403);
    expect((await operator.fetch("/admin/tenants/ten_00000000000000000000000000/limits", init)).status).toBe(404);
    expect((await operator.fetch("/admin/tenants/x/limits", init)).status).toBe(404);
    expect((await operator.fetch(path, { ...init, body: JSON.stringify({ bytes: -1, files: null }) })).status).toBe(400);
    expect(await (await operator.fetch(path, init)).json()).toMatchObject({ limits: { bytes: 1, files: null } });
    const [entry] = await api.cloned.database.asSystem((transaction) =>
      transaction.query<{ actor: string; detail: unknown }>(
        sql`SELECT actor, detail FROM audit_entries WHERE tenant_id = ${tenant.id}::uuid AND action = 'quota.set'`,
      ),
    );
    expect(entry).toMatchObject({ actor: expect.stringMatching(/^key_/), detail: { bytes: 1, files: null } });
  });

  test("below what is used refuse what comes, and keep what is there", async () => {
    const tenant = await api.tenant();
    await put(tenant, 5_000);
    await limit(tenant, { bytes: 1_000, files: null });
    expect((await put(tenant, 1)).status).toBe(413);
    expect((await usageOf(tenant)).used).toEqual({ bytes: 5_000, files: 1 });
    await limit(tenant, { bytes: null, files: null });
    expect((await put(tenant, 1)).status).toBe(201);
  });
});

test("operators see what each tenant keeps, page by page", async () => {
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const path: string = `/admin/tenants?limit=3${cursor === null ? "" : `&cursor=${cursor}`}`;
    const page = (await (await operator.fetch(path)).json()) as { data: (UsageAnswer & { name: string })[]; next_cursor: string | null };
    seen.push(...page.data.map(({ tenant_id }) => decodeId("tenant", tenant_id) ?? ""));
    cursor = page.next_cursor;
  } while (cursor !== null);
  expect(seen).toContain(operator.id);
  expect(new Set(seen).size).toBe(seen.length);
  expect((await (await api.tenant("admin")).fetch("/admin/tenants")).status).toBe(403);
});
