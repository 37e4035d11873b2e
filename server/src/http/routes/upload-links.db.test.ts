import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { request as ask } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { encodeId } from "@filemill/contract/ids.ts";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keptBy } from "../../../test/kept.ts";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { sql } from "../../db/sql.ts";
import { installFailpoint } from "../../failpoint.ts";
import { readLink, signLink, type LinkClaims } from "../../link-token.ts";
import { buildApp } from "../app.ts";

let app: TestApp;
let tenant: TestTenant;
beforeAll(async () => {
  app = await startTestApp();
  tenant = await app.tenant();
});
afterAll(() => app.close());

interface Made {
  readonly status: number;
  readonly id: string;
  readonly url: string;
  readonly max_size: number;
  readonly code?: string;
}

async function makeLink(body: object = {}): Promise<Made> {
  const response = await tenant.fetch("/links/uploads", {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
  return { ...((await response.json()) as Made), status: response.status };
}

async function put(url: string, content: Buffer | string, init: RequestInit = {}) {
  const response = await fetch(url, { method: "PUT", body: new Uint8Array(Buffer.from(content)), ...init });
  return { status: response.status, body: await answerOf(response) };
}

function portOf(process: FastifyInstance): number {
  const [address] = process.addresses();
  return typeof address === "object" ? address.port : 0;
}

const look = async (id: string) => (await tenant.fetch(`/links/uploads/${id}`)).json() as Promise<Record<string, unknown>>;

const CONTENT = randomBytes(100_000);

describe("an upload link", () => {
  test("takes one file of whoever has it, and says which", async () => {
    const { status, id, url } = await makeLink({ name: "scan.bin", metadata: { from: "a scanner" } });
    expect(status).toBe(201);
    expect(await look(id)).toMatchObject({ id, used_at: null, file_id: null, job_id: null, name: "scan.bin" });
    const sent = await put(`${url}?name=evil.exe`, CONTENT);
    expect(sent.status, JSON.stringify(sent.body)).toBe(201);
    const [file] = sent.body.files;
    expect(file).toMatchObject({ name: "scan.bin", size: 100_000, sha256: createHash("sha256").update(CONTENT).digest("hex") });
    expect(await look(id)).toMatchObject({ used_at: expect.any(String), file_id: file?.id });
    expect(await answerOf(await tenant.fetch(`/files/${file?.id}`))).toMatchObject({ metadata: { from: "a scanner" } });
    const content = await tenant.fetch(`/files/${file?.id}/content`);
    expect(Buffer.from(await content.arrayBuffer()).equals(CONTENT)).toBe(true);
    expect(await put(url, CONTENT)).toMatchObject({ status: 409, body: { code: "conflict" } });
  });

  test("lets the sender name the file where it has no name", async () => {
    expect((await put(`${(await makeLink()).url}?name=a%20b.txt`, "x")).body.files[0]?.name).toBe("a b.txt");
    expect((await put((await makeLink()).url, "x")).body.files[0]?.name).toBe("upload");
    const bad = await makeLink();
    expect((await put(`${bad.url}?name=a%0Ab`, "x")).status).toBe(400);
    expect((await put(bad.url, "x")).status).toBe(201);
  });

  test("runs a pipeline over the file, which is checked when the link is made", async () => {
    const pipeline = { steps: { stats: { use: "text.stats" } } };
    const { id, url } = await makeLink({ pipeline });
    const sent = await put(url, "one two three");
    expect(sent.status, JSON.stringify(sent.body)).toBe(202);
    expect(await look(id)).toMatchObject({ job_id: sent.body.job_id, file_id: sent.body.files[0]?.id });
    expect(await makeLink({ pipeline: { steps: { x: { use: "no.such" } } } })).toMatchObject({ status: 400, code: "validation_failed" });
    expect(await makeLink({ pipeline: "no-such-pipeline" })).toMatchObject({ status: 404 });
    expect(await makeLink({ params: {} })).toMatchObject({ status: 400 });
  });

  test("is audited, as is the file that came by it", async () => {
    const { id, url } = await makeLink();
    const { body } = await put(url, "x");
    await tenant.fetch(`/links/uploads/${id}`, { method: "DELETE" });
    const rows = await app.cloned.database.asSystem((transaction) =>
      transaction.query<{ action: string; actor: string; object: string }>(sql`
        SELECT action, actor, object FROM audit_entries WHERE object = ${id} OR actor = ${id} ORDER BY id`),
    );
    expect(rows).toEqual([
      { action: "link.create", actor: expect.stringMatching(/^key_/), object: id },
      { action: expect.any(String), actor: id, object: expect.any(String) },
      { action: "link.revoke", actor: expect.stringMatching(/^key_/), object: id },
    ]);
    expect(JSON.stringify(body)).toContain("file_");
  });
});

test("a link that is altered in any field, signed or not, is none", async () => {
  const { url } = await makeLink({ max_size: "1kB" });
  const other = await makeLink();
  const token = url.slice(url.lastIndexOf("/") + 1);
  const claims = readLink(token)?.claims;
  if (claims === undefined) throw new Error("not a link");
  const stranger = await app.tenant();
  const { key } = await app.services.keys.purposeKey(tenant.id, "presign");
  const changes: Partial<LinkClaims>[] = [
    ...[{ tenant: encodeId("tenant", stranger.id) }, { object: other.id }, { object: other.id.replace("link_", "file_") }],
    ...[{ version: "ab" }, { method: "GET" as const }, { exp: 1 }, { max: 2_000 }, { epoch: 1 }, { kid: 2 }],
  ];
  const before = await keptBy(app);
  for (const change of changes) {
    const changed = signLink({ ...claims, ...change }, key);
    const unsigned = `${changed.split(".")[0]}.${token.split(".")[1]}`;
    for (const each of [changed, unsigned]) {
      const sent = await put(`${app.url}/api/v1/links/${each}`, "x");
      expect([sent.status, sent.body.code], JSON.stringify(change)).toEqual([404, "not_found"]);
    }
  }
  // All fields as they are, and another's signature.
  const [payload] = token.split(".");
  expect((await put(`${app.url}/api/v1/links/${payload}.${signLink(claims, randomBytes(32)).split(".")[1]}`, "x")).status).toBe(404);
  expect(await keptBy(app)).toEqual(before);
  expect((await put(url, "x")).status).toBe(201);
});

describe("nothing is stored, and the link stays good, where", () => {
  async function refused(link: { url: string }, send: () => Promise<{ status: number; code: string }>, expected: [number, string]) {
    const before = await keptBy(app);
    const { status, code } = await send();
    expect([status, code]).toEqual(expected);
    expect(await keptBy(app)).toEqual(before);
    expect((await put(link.url, "\x89PNG\r\n\x1a\n tiny")).status, "still good").not.toBe(404);
  }

  const sending = (url: string, content: Buffer, init?: RequestInit) => async () => {
    const { status, body } = await put(url, content, init);
    return { status, code: body.code };
  };

  test("the file is too large, said beforehand or not", async () => {
    const link = await makeLink({ max_size: "50kB" });
    expect(link.max_size).toBe(50_000);
    await refused(link, sending(link.url, CONTENT), [413, "file_too_large"]);
    const other = await makeLink({ max_size: "50kB" });
    const chunked = async () => {
      const request = ask(other.url, { method: "PUT", headers: { "transfer-encoding": "chunked" } });
      request.write(CONTENT.subarray(0, 40_000));
      request.end(CONTENT.subarray(40_000));
      const [response] = await once(request, "response");
      return { status: response.statusCode, code: JSON.parse(await text(response)).code };
    };
    await refused(other, chunked, [413, "file_too_large"]);
  });

  test("it is of another type than the link takes", async () => {
    const link = await makeLink({ media_types: ["image/*", "application/pdf"] });
    await refused(link, sending(link.url, Buffer.from("plain text")), [415, "type_not_allowed"]);
  });

  test("the installation does not take its type, whatever the link takes", async () => {
    const { limits } = app.services;
    const apart = await buildApp({ ...app.services, limits: { ...limits, allowedTypes: ["image/*"] } });
    await apart.listen({ host: "127.0.0.1", port: 0 });
    const link = await makeLink({ media_types: ["text/*"] });
    const there = link.url.replace(/^http:\/\/[^/]+/, `http://127.0.0.1:${portOf(apart)}`);
    await refused(link, sending(there, Buffer.from("plain text")), [415, "type_not_allowed"]);
    await apart.close();
  });

  test("the server fails when all bytes are there", async () => {
    const link = await makeLink();
    const { remove } = installFailpoint("upload-before-commit:error");
    await refused(link, sending(link.url, CONTENT), [500, "internal"]);
    remove();
    expect(await look(link.id)).toMatchObject({ used_at: expect.any(String) });
  });

  test("its digest is wrong", async () => {
    const link = await makeLink();
    const headers = { "content-digest": `sha-256=:${Buffer.alloc(32).toString("base64")}:` };
    await refused(link, sending(link.url, CONTENT, { headers }), [400, "digest_mismatch"]);
  });

  test("the sender goes away in the middle", async () => {
    const { url } = await makeLink();
    const before = await keptBy(app);
    const { hostname, port, pathname } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    socket.write(`PUT ${pathname} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n`);
    socket.write(CONTENT.subarray(0, 60_000));
    await expect.poll(async () => (await keptBy(app)).temp.length).toBe(1);
    expect((await put(url, "second")).status, "one at a time").toBe(409);
    socket.destroy();
    await expect.poll(async () => (await put(url, CONTENT)).status).toBe(201);
    expect((await keptBy(app)).temp).toEqual(before.temp);
  });

  test("nobody asked for the body: a refusal comes before 100-continue", async () => {
    const link = await makeLink({ max_size: "1kB" });
    const request = ask(link.url, { method: "PUT", headers: { expect: "100-continue", "content-length": "2000" } });
    let continued = false;
    request.on("continue", () => (continued = true));
    request.flushHeaders();
    const [response] = await once(request, "response");
    expect([response.statusCode, continued]).toEqual([413, false]);
    request.destroy();
  });
});

/** Holds the first upload whose bytes are durable, before it is recorded. */
function pauseBeforeCommit(): { reached: Promise<void>; remove: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { remove } = installFailpoint("upload-after-put-before-commit:pause", {
    onHit: (name) => name === "upload-after-put-before-commit" && resolve(),
  });
  return { reached: promise, remove };
}

describe("used exactly once", () => {
  test.each([100_000, 10])("by ten at a time, of %i bytes, in two processes", async (sizeBytes) => {
    const second = await buildApp(app.services);
    await second.listen({ host: "127.0.0.1", port: 0 });
    const { id, url } = await makeLink();
    const there = url.replace(/^http:\/\/[^/]+/, `http://127.0.0.1:${portOf(second)}`);
    const sent = await Promise.all(
      Array.from({ length: 10 }, (_unused, index) => put(index % 2 === 0 ? url : there, randomBytes(sizeBytes))),
    );
    expect(sent.map(({ status }) => status).toSorted()).toEqual([201, ...Array.from({ length: 9 }, () => 409)]);
    const [won] = sent.filter(({ status }) => status === 201);
    expect((await look(id))["file_id"]).toBe(won?.body.files[0]?.id);
    await second.close();
  });

  test("though the bytes of another were all there before it was recorded", async () => {
    const second = await buildApp(app.services);
    await second.listen({ host: "127.0.0.1", port: 0 });
    const { url } = await makeLink();
    const there = url.replace(/^http:\/\/[^/]+/, `http://127.0.0.1:${portOf(second)}`);
    const { reached, remove } = pauseBeforeCommit();
    const early = put(url, CONTENT);
    await reached;
    const won = await put(there, "another");
    expect(won.status).toBe(201);
    const before = await keptBy(app);
    remove();
    expect(await early).toMatchObject({ status: 409, body: { code: "conflict" } });
    const after = await keptBy(app);
    expect(after.files).toBe(before.files);
    expect(after.objects.length, "the bytes that came too late are gone").toBe(before.objects.length - 1);
    await second.close();
  });

  test("and a sender who heard nothing gets the answer again with its Idempotency-Key, which is the link's own", async () => {
    const { url } = await makeLink();
    const headers = { "idempotency-key": "k1" };
    const first = await put(url, CONTENT, { headers });
    expect(first.status).toBe(201);
    expect(await put(url, CONTENT, { headers })).toEqual(first);
    expect((await put(url, "other", { headers })).status).toBe(422);
    expect((await put(url, CONTENT, { headers: { "idempotency-key": "k2" } })).status).toBe(409);
    const mine = await tenant.fetch("/files/other.txt", { method: "PUT", body: "unrelated", headers });
    expect(mine.status).toBe(201);
  });
});

describe("revocation", () => {
  test("ends an unused link at once, also for a file that is on its way", async () => {
    const [waiting, running] = [await makeLink(), await makeLink()];
    const { reached, remove } = pauseBeforeCommit();
    const before = await keptBy(app);
    const sent = put(running.url, CONTENT);
    await reached;
    for (const { id } of [waiting, running]) expect((await tenant.fetch(`/links/uploads/${id}`, { method: "DELETE" })).status).toBe(204);
    remove();
    expect(await sent).toMatchObject({ status: 409, body: { code: "conflict" } });
    expect(await keptBy(app)).toEqual(before);
    expect((await put(waiting.url, CONTENT)).status).toBe(404);
    expect((await put(running.url, CONTENT)).status).toBe(404);
  });

  test("is the tenant's own matter", async () => {
    const stranger = await app.tenant();
    const { id, url } = await makeLink();
    expect((await stranger.fetch(`/links/uploads/${id}`)).status).toBe(404);
    expect((await stranger.fetch(`/links/uploads/${id}`, { method: "DELETE" })).status).toBe(404);
    expect((await put(url, "x")).status).toBe(201);
  });
});
