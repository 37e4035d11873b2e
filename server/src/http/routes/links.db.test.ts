import { randomBytes } from "node:crypto";
import { encodeId } from "@filemill/contract/ids.ts";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { keysFor } from "../../../test/tenant-keys.ts";
import { sql } from "../../db/sql.ts";
import { readLink, signLink, type LinkClaims } from "../../link-token.ts";
import { createEnvProvider } from "../../storage/keys/env-provider.ts";
import { newRootKey } from "../../storage/keys/local-keys.ts";
import { createTenantKeys } from "../../storage/keys/tenant-keys.ts";
import { tenantKeyRows } from "../../tenants/tenant-key-rows.ts";
import { buildApp } from "../app.ts";

let app: TestApp;
let tenant: TestTenant;
let admin: string;
/** Another API process. */
let second: FastifyInstance;
beforeAll(async () => {
  app = await startTestApp();
  tenant = await app.tenant();
  admin = await tenant.keyWithRole("admin");
  second = await buildApp(app.services);
  await second.listen({ host: "127.0.0.1", port: 0 });
});
afterAll(async () => {
  await second.close();
  await app.close();
});

const CONTENT = randomBytes(100_000);

async function putFile(content: Buffer = CONTENT, name = "a.html"): Promise<{ id: string; sha256: string }> {
  const { files } = await answerOf(await tenant.fetch(`/files/${name}`, { method: "PUT", body: new Uint8Array(content) }));
  const [file] = files;
  if (file === undefined) throw new Error("no file");
  return file;
}

async function makeLink(id: string, body?: object): Promise<{ status: number; url: string; token: string; expiresAt: number }> {
  const json = body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const response = await tenant.fetch(`/files/${id}/link`, { method: "POST", ...json });
  const answer = (await response.json()) as { url?: string; expires_at?: string };
  const url = answer.url ?? "";
  return { status: response.status, url, token: url.slice(url.lastIndexOf("/") + 1), expiresAt: Date.parse(answer.expires_at ?? "") };
}

async function outcome(response: Response): Promise<[number, unknown]> {
  const body = (await response.json()) as { instance?: unknown };
  delete body.instance;
  return [response.status, body];
}

const follow = (token: string, init?: RequestInit) => fetch(`${app.url}/api/v1/links/${token}`, init);

const NO_SUCH_LINK = [
  404,
  {
    type: "about:blank",
    title: "Not Found",
    status: 404,
    code: "not_found",
    detail: "There is no such link, or it has ended. Ask whoever gave it to you for another.",
  },
];

describe("a download link", () => {
  test("gives the file to whoever has it, as an inert attachment, for 15 minutes", async () => {
    const { id, sha256 } = await putFile();
    const { status, url, expiresAt } = await makeLink(id);
    expect(status).toBe(201);
    expect(url.startsWith(`${app.url}/api/v1/links/`)).toBe(true);
    expect(expiresAt - Date.now()).toBeGreaterThan(14 * 60_000);
    expect(expiresAt - Date.now()).toBeLessThanOrEqual(15 * 60_000);
    const response = await fetch(url);
    expect(response.status).toBe(200);
    expect(Buffer.from(await response.arrayBuffer()).equals(CONTENT)).toBe(true);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      etag: `"${sha256}"`,
      "content-disposition": "attachment; filename=a.html",
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'; sandbox",
      "referrer-policy": "no-referrer",
      "cache-control": "private, no-store",
      "cross-origin-resource-policy": "same-origin",
    });
  });

  test("takes HEAD, ranges and conditions", async () => {
    const { id, sha256 } = await putFile();
    const { token } = await makeLink(id);
    expect((await follow(token, { method: "HEAD" })).headers.get("content-length")).toBe("100000");
    const part = await follow(token, { headers: { range: "bytes=99990-" } });
    expect([part.status, Buffer.from(await part.arrayBuffer())]).toEqual([206, CONTENT.subarray(99_990)]);
    expect((await follow(token, { headers: { "if-none-match": `"${sha256}"` } })).status).toBe(304);
  });

  test.each([
    ["1s", 201],
    ["7d", 201],
    ["999ms", 400],
    ["169h", 400],
    ["3650d", 400],
    ["-1s", 400],
    ["soon", 400],
    [900, 400],
  ])("for %s: %i", async (expires_in, status) => {
    const { id } = await putFile(Buffer.from("small"));
    expect((await makeLink(id, { expires_in })).status).toBe(status);
  });

  test("is only made for a file that the tenant has, by who may change things", async () => {
    const { id } = await putFile(Buffer.from("small"));
    const stranger = await app.tenant();
    const absent = id.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
    const foreign = await stranger.fetch(`/files/${id}/link`, { method: "POST" });
    const none = await stranger.fetch(`/files/${absent}/link`, { method: "POST" });
    expect([foreign.status, none.status]).toEqual([404, 404]);
    expect((await foreign.text()).replaceAll(id, "X").replace(/urn:[^"]+/, "")).toBe(
      (await none.text()).replaceAll(absent, "X").replace(/urn:[^"]+/, ""),
    );
    const reader = await tenant.keyWithRole("read-only");
    expect((await tenant.fetch(`/files/${id}/link`, { method: "POST", headers: {} })).status).toBe(201);
    const refused = await fetch(`${app.url}/api/v1/files/${id}/link`, { method: "POST", headers: { authorization: `Bearer ${reader}` } });
    expect(refused.status).toBe(403);
    expect((await stranger.fetch(`/files/${id}/links`, { method: "DELETE" })).status).toBe(404);
  });

  test("leads to the public URL where that is set", async () => {
    const apart = await buildApp({ ...app.services, publicUrl: "https://files.example.org" });
    const { id } = await putFile(Buffer.from("small"));
    const made = await apart.inject({
      method: "POST",
      url: `/api/v1/files/${id}/link`,
      headers: { authorization: `Bearer ${tenant.key}` },
    });
    expect(made.json().url).toMatch(/^https:\/\/files\.example\.org\/api\/v1\/links\/[\w-]+\.[\w-]+$/);
    await apart.close();
  });
});

describe("the same answer is given to", () => {
  /** Claims of a good link, changed and signed with the tenant's real key: what no forger can do, so that each check is seen to work alone. */
  async function resigned(token: string, changes: Partial<LinkClaims>): Promise<string> {
    const claims = readLink(token)?.claims;
    if (claims === undefined) throw new Error("not a link");
    const { key } = await app.services.keys.purposeKey(tenant.id, "presign");
    return signLink({ ...claims, ...changes }, key);
  }

  test("every altered field, signed or not", async () => {
    const mine = await putFile();
    const other = await putFile(Buffer.from("other"));
    const stranger = await app.tenant();
    const { token } = await makeLink(mine.id);
    const [, mac] = token.split(".");
    const changes: Partial<LinkClaims>[] = [
      { tenant: encodeId("tenant", stranger.id) },
      { tenant: "ten_x" },
      { object: other.id },
      { object: mine.id.replace("file_", "link_") },
      { version: other.sha256 },
      { method: "PUT" },
      { exp: 1 },
      { max: 99_999 },
      { max: 100_001 },
      { epoch: 1 },
      { kid: 2 },
    ];
    for (const change of changes) {
      expect(await outcome(await follow(await resigned(token, change))), JSON.stringify(change)).toEqual(NO_SUCH_LINK);
      const [payload] = (await resigned(token, change)).split(".");
      expect(await outcome(await follow(`${payload}.${mac}`)), `${JSON.stringify(change)}, not signed`).toEqual(NO_SUCH_LINK);
    }
    // Ten years, with the signature of the short link.
    const [longer] = (await resigned(token, { exp: 2_100_000_000 })).split(".");
    expect(await outcome(await follow(`${longer}.${mac}`))).toEqual(NO_SUCH_LINK);
    expect((await follow(token)).status).toBe(200);
  });

  test("another method", async () => {
    const { token } = await makeLink((await putFile()).id);
    expect(await outcome(await follow(token, { method: "PUT", body: "x" }))).toEqual(NO_SUCH_LINK);
    expect((await follow(token, { method: "DELETE" })).status).toBe(401);
    expect((await follow(token, { method: "POST" })).status).toBe(401);
  });

  test.each(["x", ".", "a.b", "%C3%A4", "..%2f..%2fadmin", "A".repeat(3_000)])("what is no link: %s", async (text) => {
    expect(await outcome(await follow(text))).toEqual(NO_SUCH_LINK);
  });

  test("a link whose file is gone", async () => {
    const { id } = await putFile();
    const { token } = await makeLink(id);
    expect((await tenant.fetch(`/files/${id}`, { method: "DELETE" })).status).toBe(204);
    expect(await outcome(await follow(token))).toEqual(NO_SUCH_LINK);
  });

  test("a link that has ended, by the database's clock", async () => {
    const { token } = await makeLink((await putFile()).id, { expires_in: "1s" });
    await expect.poll(() => follow(token).then(outcome), { timeout: 5_000 }).toEqual(NO_SUCH_LINK);
  });
});

describe("revocation", () => {
  const everywhere = async (token: string): Promise<number[]> => {
    const [address] = second.addresses();
    const port = typeof address === "object" ? address.port : 0;
    const here = await follow(token);
    const there = await fetch(`http://127.0.0.1:${port}/api/v1/links/${token}`);
    return [here.status, there.status];
  };

  test("of a file's links is effective at once in every process, and new ones are good", async () => {
    const [mine, other] = [await putFile(), await putFile()];
    const tokens = [await makeLink(mine.id), await makeLink(mine.id)].map(({ token }) => token);
    const kept = (await makeLink(other.id)).token;
    for (const token of [...tokens, kept]) expect(await everywhere(token)).toEqual([200, 200]);
    expect((await tenant.fetch(`/files/${mine.id}/links`, { method: "DELETE" })).status).toBe(204);
    for (const token of tokens) expect(await everywhere(token)).toEqual([404, 404]);
    expect(await everywhere(kept)).toEqual([200, 200]);
    expect(await everywhere((await makeLink(mine.id)).token)).toEqual([200, 200]);
    for (const token of tokens) expect(await everywhere(token)).toEqual([404, 404]);
  });

  test("of all of a tenant's links needs an admin, and leaves other tenants'", async () => {
    const { id } = await putFile();
    const before = (await makeLink(id)).token;
    await tenant.fetch(`/files/${id}/links`, { method: "DELETE" });
    const { token } = await makeLink(id);
    expect((await tenant.fetch("/links", { method: "DELETE" })).status).toBe(403);
    expect(await everywhere(token)).toEqual([200, 200]);
    const revoked = await fetch(`${app.url}/api/v1/links`, { method: "DELETE", headers: { authorization: `Bearer ${admin}` } });
    expect(revoked.status).toBe(204);
    for (const each of [before, token]) expect(await everywhere(each)).toEqual([404, 404]);
    const stranger = await app.tenant("admin");
    const again = (await makeLink(id)).token;
    expect((await stranger.fetch("/links", { method: "DELETE" })).status).toBe(204);
    expect(await everywhere(again)).toEqual([200, 200]);
  });

  test("and making are in the audit log, without the link", async () => {
    const { id } = await putFile();
    const { token } = await makeLink(id);
    await tenant.fetch(`/files/${id}/links`, { method: "DELETE" });
    const rows = await app.cloned.database.asSystem((transaction) =>
      transaction.query<{ action: string; actor: string; detail: object }>(sql`
        SELECT action, actor, detail FROM audit_entries WHERE object = ${id} AND action LIKE 'link.%' ORDER BY id`),
    );
    expect(rows.map(({ action }) => action)).toEqual(["link.create", "link.revoke"]);
    expect(rows.every(({ actor }) => actor.startsWith("key_"))).toBe(true);
    expect(rows[0]?.detail).toMatchObject({ method: "GET", expires_at: expect.any(String) });
    expect(JSON.stringify([rows, app.logged])).not.toContain(token.split(".")[1]);
  });
});

test("a link outlives the rotation of the tenant's key, and new ones are signed with the new version", async () => {
  const { id } = await putFile();
  const { token } = await makeLink(id);
  const kid = readLink(token)?.claims.kid ?? 0;
  await app.services.keyAdmin.rotateTenant({ tenantId: tenant.id, actor: "system" });
  // A process that has seen neither version yet.
  const fresh = await buildApp({ ...app.services, keys: keysFor(app.cloned.database) });
  expect((await fresh.inject({ url: `/api/v1/links/${token}` })).statusCode).toBe(200);
  const made = await fresh.inject({ method: "POST", url: `/api/v1/files/${id}/link`, headers: { authorization: `Bearer ${tenant.key}` } });
  const newer = made.json().url.split("/").at(-1);
  expect(readLink(newer)?.claims.kid).toBe(kid + 1);
  expect((await follow(newer)).status).toBe(200);
  await fresh.close();
});

test("where the root key is another, no link is taken for good or for bad", async () => {
  const { token } = await makeLink((await putFile()).id);
  const provider = createEnvProvider(newRootKey());
  const apart = await buildApp({ ...app.services, keys: createTenantKeys({ provider, rows: tenantKeyRows(app.cloned.database) }) });
  const response = await apart.inject({ url: `/api/v1/links/${token}` });
  expect([response.statusCode, response.json().code]).toEqual([503, "unavailable"]);
  await apart.close();
});

test("making a tenant up costs no key", async () => {
  const count = () =>
    app.cloned.database.asSystem((transaction) => transaction.query<{ keys: number }>(sql`SELECT count(*)::int AS keys FROM tenant_keys`));
  const before = await count();
  const claims: LinkClaims = {
    ...{
      v: 1,
      kid: 1,
      tenant: encodeId("tenant", "0193f0aa-0000-7000-8000-000000000009"),
      object: encodeId("file", "0193f0aa-0000-7000-8000-000000000008"),
    },
    ...{ version: "", method: "GET", exp: 2_000_000_000, max: 0, epoch: 0 },
  };
  expect(await outcome(await follow(signLink(claims, randomBytes(32))))).toEqual(NO_SUCH_LINK);
  expect(await count()).toEqual(before);
});
