import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FileResource } from "@filemill/contract/files.ts";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { sql } from "../../db/sql.ts";

let api: TestApp;
beforeAll(async () => {
  api = await startTestApp();
});
afterAll(() => api.close());

const TIME = "2999-01-31T12:00:00.000Z";

async function upload(tenant: TestTenant, query = ""): Promise<string> {
  const { files } = await answerOf(await tenant.fetch(`/files/f.txt${query}`, { method: "PUT", body: "content" }));
  return files[0]?.id ?? "";
}

const look = async (tenant: TestTenant, id: string) => (await (await tenant.fetch(`/files/${id}`)).json()) as FileResource;

const send = (method: string, body: unknown): RequestInit => ({
  method,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

async function auditOf(tenant: TestTenant): Promise<string[]> {
  const rows = await api.cloned.database.asSystem((transaction) =>
    transaction.query<{ action: string }>(
      sql`SELECT action FROM audit_entries WHERE tenant_id = ${tenant.id}::uuid AND action LIKE 'file.%' ORDER BY id`,
    ),
  );
  return rows.map(({ action }) => action);
}

describe("when a file ends", () => {
  test("is said with it, in the query or in the form, and can be changed", async () => {
    const tenant = await api.tenant();
    const id = await upload(tenant, `?expires_at=${TIME}`);
    expect(await look(tenant, id)).toMatchObject({ expires_at: TIME, hold: null, storage_class: "hot" });
    const form = new FormData();
    form.append("file", new Blob(["a"]), "a");
    form.append("expires_at", TIME);
    const { files } = await answerOf(await tenant.fetch("/files", { method: "POST", body: form }));
    expect((await look(tenant, files[0]?.id ?? "")).expires_at).toBe(TIME);
    const changed = await tenant.fetch(`/files/${id}`, send("PATCH", { expires_at: null }));
    expect(await changed.json()).toMatchObject({ id, expires_at: null });
    expect(await auditOf(tenant)).toEqual(["file.upload", "file.upload", "file.set_expiry"]);
  });

  test.each(["2001-01-01T00:00:00Z", "tomorrow", "0000-01-01T00:00:00Z"])("can't be %s", async (time) => {
    const tenant = await api.tenant();
    expect((await tenant.fetch(`/files/f?expires_at=${time}`, { method: "PUT", body: "x" })).status).toBe(400);
    const form = new FormData();
    form.append("file", new Blob(["a"]), "a");
    form.append("expires_at", time);
    const refused = await tenant.fetch("/files", { method: "POST", body: form });
    expect([refused.status, (await answerOf(refused)).issues[0]?.pointer]).toEqual([400, "/expires_at"]);
    const id = await upload(tenant);
    expect((await tenant.fetch(`/files/${id}`, send("PATCH", { expires_at: time }))).status).toBe(400);
  });

  test("is nobody else's business", async () => {
    const [owner, other] = [await api.tenant("admin"), await api.tenant("admin")];
    const id = await upload(owner);
    const absent = "file_00000000000000000000000000";
    const answers = async (method: string, path: (id: string) => string, body: unknown) => {
      const [foreign, missing] = [await other.fetch(path(id), send(method, body)), await other.fetch(path(absent), send(method, body))];
      const [one, two] = [(await foreign.text()).replaceAll(id, "ID"), (await missing.text()).replaceAll(absent, "ID")];
      expect([foreign.status, JSON.parse(one).detail]).toEqual([missing.status, JSON.parse(two).detail]);
      return foreign.status;
    };
    expect(await answers("PATCH", (file) => `/files/${file}`, { expires_at: TIME })).toBe(404);
    expect(await answers("POST", (file) => `/files/${file}/hold`, { reason: "mine" })).toBe(404);
    expect(await look(owner, id)).toMatchObject({ expires_at: null, hold: null });
  });
});

describe("a legal hold", () => {
  test("keeps a file from everybody until it is lifted, and is in the audit log", async () => {
    const tenant = await api.tenant("admin");
    const id = await upload(tenant);
    const held = await tenant.fetch(`/files/${id}/hold`, send("POST", { reason: "case 7" }));
    expect(await held.json()).toMatchObject({ id, hold: { reason: "case 7", since: expect.any(String) } });
    const refused = await tenant.fetch(`/files/${id}`, { method: "DELETE" });
    expect([refused.status, (await answerOf(refused)).code]).toEqual([409, "conflict"]);
    expect((await tenant.fetch(`/files/${id}/content`)).status).toBe(200);
    expect(await (await tenant.fetch(`/files/${id}/hold`, { method: "DELETE" })).json()).toMatchObject({ hold: null });
    expect((await tenant.fetch(`/files/${id}/hold`, { method: "DELETE" })).status).toBe(200);
    expect((await tenant.fetch(`/files/${id}`, { method: "DELETE" })).status).toBe(204);
    expect((await tenant.fetch(`/files/${id}/hold`, send("POST", { reason: "late" }))).status).toBe(404);
    expect(await auditOf(tenant)).toEqual(["file.upload", "file.hold", "file.release", "file.delete"]);
  });

  test("and a deletion at the same time: one of them wins, never both", async () => {
    const tenant = await api.tenant("admin");
    for (let round = 0; round < 10; round++) {
      const id = await upload(tenant);
      const [hold, deletion] = await Promise.all([
        tenant.fetch(`/files/${id}/hold`, send("POST", { reason: "r" })),
        tenant.fetch(`/files/${id}`, { method: "DELETE" }),
      ]);
      expect([[200, 409].join(), [404, 204].join()]).toContain([hold.status, deletion.status].join());
    }
  });

  test("needs an admin and a reason", async () => {
    const tenant = await api.tenant("user");
    const id = await upload(tenant);
    expect((await tenant.fetch(`/files/${id}/hold`, send("POST", { reason: "r" }))).status).toBe(403);
    const admin = { ...send("POST", { reason: " " }) };
    const key = await tenant.keyWithRole("admin");
    const answer = await fetch(`${api.url}/api/v1/files/${id}/hold`, {
      ...admin,
      headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    });
    expect(answer.status).toBe(400);
  });
});

test("the tenant's retention is read by everybody, set by admins, and kept as it was written", async () => {
  const tenant = await api.tenant("admin");
  expect(await (await tenant.fetch("/retention")).json()).toEqual({ default: null });
  expect(await (await tenant.fetch("/retention", send("PUT", { default: "30d" }))).json()).toEqual({ default: "2592000s" });
  const id = await upload(tenant);
  const { expires_at: expiresAt, created_at: createdAt } = await look(tenant, id);
  expect(Date.parse(expiresAt ?? "") - Date.parse(createdAt)).toBe(30 * 86_400_000);
  expect(await (await tenant.fetch("/retention", send("PUT", { default: null }))).json()).toEqual({ default: null });
  expect((await look(tenant, await upload(tenant))).expires_at).toBeNull();
  expect((await (await api.tenant("user")).fetch("/retention", send("PUT", { default: "1d" }))).status).toBe(403);
  expect((await tenant.fetch("/retention", send("PUT", { default: "soon" }))).status).toBe(400);
  expect((await tenant.fetch("/retention", send("PUT", { default: `${"9".repeat(400)}d` }))).status).toBe(400);
});
