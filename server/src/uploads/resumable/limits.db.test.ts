import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeId } from "@filemill/contract/ids.ts";
import { startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { cutAfter, isLocked, tusAt, type Tus } from "../../../test/tus.ts";
import { sql } from "../../db/sql.ts";
import { MAX_SEGMENTS } from "./protocol.ts";

let app: TestApp;
let tenant: TestTenant;
let tus: Tus;
beforeAll(async () => {
  app = await startTestApp({ limits: { maxOpenUploads: 20 } });
  tenant = await app.tenant();
  tus = tusAt(app.url, tenant.key);
});
afterAll(() => app.close());

const idIn = (url: string) => decodeId("upload", url.slice(url.lastIndexOf("/") + 1));

async function keysInStore(tenantId: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of app.services.store.list(`${tenantId}/`)) keys.push(key);
  return keys;
}

describe("limits of resumable uploads", () => {
  it("so many open ones of a tenant, and not one more; each that ends makes room", async () => {
    const owner = await app.tenant();
    const theirs = tusAt(app.url, owner.key);
    const answers = [];
    for (let index = 0; index < 25; index++) answers.push(await theirs.create({ "upload-length": "10" }));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(20);
    expect(answers[24]).toMatchObject({ status: 429, headers: { "retry-after": "60" }, body: { code: "rate_limited" } });
    await theirs.send("DELETE", answers[0]?.url ?? "");
    expect((await theirs.create({ "upload-length": "10" })).status).toBe(201);
    expect((await tus.create({ "upload-length": "10" })).status).toBe(201);
  });

  it("so many, and not one more, of any number that are begun at once", async () => {
    const owner = await app.tenant();
    const theirs = tusAt(app.url, owner.key);
    const answers = await Promise.all(Array.from({ length: 60 }, () => theirs.create({ "upload-length": "10" })));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(20);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(40);
  });

  it("bytes beyond the length are refused and not kept, said or not said beforehand", async () => {
    const { url } = await tus.create({ "upload-length": "50000" });
    expect(await tus.patch(url, 0, Buffer.alloc(50_001))).toMatchObject({ status: 413, body: { code: "file_too_large" } });
    const unsaid = tus.open(url, 0);
    unsaid.request.end(Buffer.alloc(50_001));
    expect(await unsaid.answer).toMatchObject({ status: 413, body: { code: "file_too_large" } });
    expect((await tus.head(url)).headers["upload-offset"]).toBe("0");
    expect(await keysInStore(tenant.id)).toEqual([]);
  });

  it("so many parts of one upload", async () => {
    const { url } = await tus.create({ "upload-length": "10" });
    await app.services.database.asSystem((transaction) =>
      transaction.execute(sql`UPDATE uploads SET segments = ${MAX_SEGMENTS} WHERE id = ${idIn(url)}::uuid`),
    );
    expect(await tus.patch(url, 0, Buffer.from("x"))).toMatchObject({ status: 400, body: { code: "validation_failed" } });
  });
});

describe("a client that asks before it sends a body", () => {
  async function ask(method: string, path: string, headers: Record<string, string>): Promise<{ status: number; asked: boolean }> {
    const sending = request(new URL(path, app.url), {
      method,
      agent: false,
      headers: {
        authorization: `Bearer ${tenant.key}`,
        "tus-resumable": "1.0.0",
        "content-type": "application/offset+octet-stream",
        expect: "100-continue",
        ...headers,
      },
    });
    let asked = false;
    sending.on("continue", () => {
      asked = true;
      sending.end(Buffer.alloc(Number(headers["content-length"])));
    });
    sending.flushHeaders();
    const [response] = (await once(sending, "response")) as [IncomingMessage];
    response.resume();
    sending.destroy();
    return { status: response.statusCode ?? 0, asked };
  }

  it("is refused before it, or told to go on", async () => {
    const { url } = await tus.create({ "upload-length": "1000" });
    const body = { "content-length": "1000" };
    expect(await ask("PATCH", url, { ...body, "upload-offset": "5" })).toEqual({ status: 409, asked: false });
    expect(await ask("PATCH", url, { "content-length": "1001", "upload-offset": "0" })).toEqual({ status: 413, asked: false });
    expect(await ask("PATCH", `${url.slice(0, -1)}0`, { ...body, "upload-offset": "0" })).toEqual({ status: 404, asked: false });
    expect(await ask("POST", "/api/v1/uploads", { ...body, "upload-length": "99999999999" })).toEqual({ status: 413, asked: false });
    expect(await ask("PATCH", url, { ...body, "upload-offset": "0" })).toEqual({ status: 204, asked: true });
    expect(await ask("POST", "/api/v1/uploads", { ...body, "upload-length": "1000" })).toEqual({ status: 201, asked: true });
  });
});

describe("an installation that takes only some media types", () => {
  it("ends an upload of another type, and keeps nothing of it", async () => {
    const strict = await startTestApp({ limits: { allowedTypes: ["image/png"] } });
    try {
      const owner = await strict.tenant();
      const there = tusAt(strict.url, owner.key);
      const { url } = await there.create({ "upload-length": "50000" });
      expect(await there.patch(url, 0, Buffer.alloc(50_000))).toMatchObject({ status: 415, body: { code: "type_not_allowed" } });
      expect((await there.head(url)).status).toBe(410);
      for await (const { key } of strict.services.store.list(`${owner.id}/`)) expect(key).toBe("nothing");
    } finally {
      await strict.close();
    }
  });
});

describe("the hash of an upload", () => {
  const content = randomBytes(500_000);
  const sha256 = createHash("sha256").update(content).digest("hex");

  async function hashOf(id: unknown): Promise<unknown> {
    const file: unknown = await (await tenant.fetch(`/files/${String(id)}`)).json();
    return file;
  }

  async function stateOf(url: string): Promise<{ hashed: number; offset: number }> {
    const [row] = await app.services.database.asSystem((transaction) =>
      transaction.query<{ hashed: number; offset: number }>(
        sql`SELECT hashed_bytes AS hashed, upload_offset AS "offset" FROM uploads WHERE id = ${idIn(url)}::uuid`,
      ),
    );
    return row ?? { hashed: -1, offset: -1 };
  }

  it("goes on from part to part by the state in the row", async () => {
    const { url } = await tus.create({ "upload-length": String(content.length) });
    let last;
    for (let offset = 0; offset < content.length; offset += 123_457) {
      const part = content.subarray(offset, offset + 123_457);
      last = await tus.patch(url, offset, part);
      expect(await stateOf(url)).toEqual({ hashed: offset + part.length, offset: offset + part.length });
    }
    expect(await hashOf(last?.headers["filemill-file-id"])).toMatchObject({ sha256 });
  });

  it("is read back where the whole was to come at once and was cut off", async () => {
    const { url } = await tus.create({ "upload-length": String(content.length) });
    await cutAfter(tus.open(url, 0, { "content-length": String(content.length) }), content.subarray(0, 200_000), () =>
      isLocked(app.services.database, url),
    );
    const offset = Number((await tus.head(url)).headers["upload-offset"]);
    expect(await stateOf(url)).toEqual({ hashed: 0, offset });
    const last = await tus.patch(url, offset, content.subarray(offset));
    expect(await hashOf(last.headers["filemill-file-id"])).toMatchObject({ sha256 });
  });

  it("is read back from where its state ends", async () => {
    const { url } = await tus.create({ "upload-length": String(content.length) });
    await tus.patch(url, 0, content.subarray(0, 100_000));
    await tus.patch(url, 100_000, content.subarray(100_000, 300_000));
    // As after a version that hashed only the first part.
    const [before] = await app.services.database.asSystem((transaction) =>
      transaction.query<{ state: Buffer }>(sql`SELECT hash_state AS state FROM uploads WHERE id = ${idIn(url)}::uuid`),
    );
    const again = await tus.create({ "upload-length": String(content.length) });
    await tus.patch(again.url, 0, content.subarray(0, 300_000));
    await tus.patch(again.url, 300_000, content.subarray(300_000, 400_000));
    await app.services.database.asSystem((transaction) =>
      transaction.execute(sql`UPDATE uploads SET hash_state = ${before?.state}, hashed_bytes = 300000 WHERE id = ${idIn(again.url)}::uuid`),
    );
    const last = await tus.patch(again.url, 400_000, content.subarray(400_000));
    expect(await hashOf(last.headers["filemill-file-id"])).toMatchObject({ sha256 });
  });
});

describe("a tenant's quota", () => {
  async function limited(bytes: number): Promise<{ tus: Tus; tenant: TestTenant; reserved: () => Promise<number> }> {
    const tenant = await app.tenant();
    await app.services.database.asSystem((transaction) =>
      transaction.execute(sql`INSERT INTO tenant_quotas (tenant_id, limit_bytes) VALUES (${tenant.id}::uuid, ${bytes})`),
    );
    const reserved = async () => {
      const [row] = await app.services.database.asSystem((transaction) =>
        transaction.query<{ bytes: number }>(
          sql`SELECT coalesce(sum(bytes), 0)::bigint AS bytes FROM quota_reservations WHERE tenant_id = ${tenant.id}::uuid`,
        ),
      );
      return row?.bytes ?? -1;
    };
    return { tus: tusAt(app.url, tenant.key), tenant, reserved };
  }

  it("has room for an open upload from its creation on, and gets it back when it ends", async () => {
    const { tus, tenant, reserved } = await limited(100_000);
    const first = await tus.create({ "upload-length": "60000" });
    expect(first.status).toBe(201);
    expect(await reserved()).toBe(60_000);
    expect(await tus.create({ "upload-length": "60000" })).toMatchObject({ status: 413, body: { code: "quota_exceeded" } });
    expect((await tus.send("DELETE", first.url)).status).toBe(204);
    expect(await reserved()).toBe(0);
    const second = await tus.create({ "upload-length": "60000" });
    expect((await tus.patch(second.url, 0, Buffer.alloc(60_000))).status).toBe(204);
    expect(await reserved()).toBe(0);
    expect(await (await tenant.fetch("/usage")).json()).toMatchObject({ used: { bytes: 60_000, files: 1 } });
    expect((await tus.create({ "upload-length": "60000" })).status).toBe(413);
  });

  it("is asked as bytes come where the length is not known", async () => {
    const { tus, tenant } = await limited(100_000);
    const { url } = await tus.create({ "upload-defer-length": "1" });
    expect((await tus.patch(url, 0, Buffer.alloc(60_000))).status).toBe(204);
    expect(await tus.patch(url, 60_000, Buffer.alloc(60_000))).toMatchObject({ status: 413, body: { code: "quota_exceeded" } });
    const unsaid = tus.open(url, 60_000);
    unsaid.request.end(Buffer.alloc(60_000));
    expect(await unsaid.answer).toMatchObject({ status: 413, body: { code: "quota_exceeded" } });
    expect((await tus.head(url)).headers["upload-offset"]).toBe("60000");
    expect(await keysInStore(tenant.id)).toHaveLength(1);
    expect((await tus.patch(url, 60_000, Buffer.alloc(40_000), { "upload-length": "100000" })).status).toBe(204);
  });

  it("counts partials once, and not again in their final", async () => {
    const { tus, tenant, reserved } = await limited(100_000);
    const urls = [];
    for (const size of [30_000, 50_000]) {
      const { url } = await tus.create({ "upload-length": String(size), "upload-concat": "partial" }, Buffer.alloc(size));
      urls.push(url);
    }
    expect(await reserved()).toBe(80_000);
    expect((await tus.create({ "upload-concat": `final;${urls.join(" ")}` })).status).toBe(201);
    expect(await reserved()).toBe(0);
    expect(await (await tenant.fetch("/usage")).json()).toMatchObject({ used: { bytes: 80_000, files: 1 } });
  });
});
