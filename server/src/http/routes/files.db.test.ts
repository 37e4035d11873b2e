import { createHash, randomBytes } from "node:crypto";
import { readdir, readlink } from "node:fs/promises";
import { get as httpGet } from "node:http";
import { encodeId } from "@filemill/contract/ids.ts";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { sql } from "../../db/sql.ts";

let app: TestApp;
let tenant: TestTenant;
beforeAll(async () => {
  app = await startTestApp();
  tenant = await app.tenant();
});
afterAll(() => app.close());

const sha256 = (content: Buffer) => createHash("sha256").update(content).digest("hex");

async function put(name: string, content: Buffer | string, by = tenant): Promise<{ id: string; sha256: string }> {
  const response = await by.fetch(`/files/${name}`, { method: "PUT", body: content });
  const answer = await answerOf(response);
  expect(response.status, JSON.stringify(answer)).toBe(201);
  const [file] = answer.files;
  if (file === undefined) throw new Error("the answer names no file");
  return file;
}

const objects = () => Array.fromAsync(app.services.store.list(""), ({ key }) => key);

describe("files over HTTP", () => {
  it.each([
    ["empty", 0],
    ["inline", 16 * 1_024],
    ["one object", 16 * 1_024 + 1],
    ["several chunks", 3_000_000],
  ])("takes and gives back a raw body: %s", async (_label, sizeBytes) => {
    const content = randomBytes(sizeBytes);
    const file = await put("photo%20%C3%A9.bin", content);
    expect(file).toMatchObject({ name: "photo é.bin", size: sizeBytes, sha256: sha256(content) });
    const got = await tenant.fetch(`/files/${file.id}/content`);
    expect(got.status).toBe(200);
    expect(Buffer.from(await got.arrayBuffer()).equals(content)).toBe(true);
    expect(await answerOf(await tenant.fetch(`/files/${file.id}`))).toMatchObject({
      ...file,
      status: "stored",
      origin: "upload",
      job_id: null,
    });
    const head = await tenant.fetch(`/files/${file.id}/content`, { method: "HEAD" });
    expect(head.headers.get("content-length")).toBe(String(sizeBytes));
  });

  it("serves ranges, conditions and 416 over HTTP", async () => {
    const { id, sha256: hash } = await put("a.txt", "0123456789".repeat(5_000));
    const part = await tenant.fetch(`/files/${id}/content`, { headers: { range: "bytes=-5" } });
    expect([part.status, await part.text(), part.headers.get("content-range")]).toEqual([206, "56789", "bytes 49995-49999/50000"]);
    const same = await tenant.fetch(`/files/${id}/content`, { headers: { "if-none-match": `"${hash}"` } });
    expect([same.status, await same.text()]).toEqual([304, ""]);
    const beyond = await tenant.fetch(`/files/${id}/content`, { headers: { range: "bytes=50000-" } });
    expect([beyond.status, beyond.headers.get("content-range"), (await answerOf(beyond)).code]).toEqual([
      416,
      "bytes */50000",
      "range_not_satisfiable",
    ]);
  });

  it.each([
    "a%2Fb.txt",
    "..%2F..%2Fetc%2Fpasswd",
    "%252e%252e%252f",
    "CON",
    "a.txt:stream",
    "%E2%80%AEgpj.exe",
    "%3Cscript%3E",
    "n".repeat(255),
  ])("keeps the name %s", async (name) => {
    const file = await put(name, "x");
    expect(file).toMatchObject({ name: decodeURIComponent(name) });
  });

  it.each(["a%00b", "a%0d%0aSet-Cookie:x", "n".repeat(256), "%ff"])("refuses the name %s", async (name) => {
    const response = await tenant.fetch(`/files/${name}`, { method: "PUT", body: "x" });
    expect([response.status, (await answerOf(response)).code]).toEqual([400, "validation_failed"]);
  });
});

describe("listing", () => {
  it("pages through everything once, newest first, by an opaque cursor", async () => {
    const other = await app.tenant();
    const ids: string[] = [];
    for (let index = 0; index < 7; index++) ids.push((await put(`f${index}?metadata.parity=${index % 2}`, `content ${index}`, other)).id);
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const page: { data: { id: string }[]; next_cursor: string | null } = await answerOf(
        await other.fetch(`/files?limit=3${cursor && `&cursor=${encodeURIComponent(cursor)}`}`),
      );
      expect(page.data.length).toBeLessThanOrEqual(3);
      seen.push(...page.data.map(({ id }) => id));
      cursor = page.next_cursor;
    }
    expect(seen).toEqual(ids.toReversed());
    const odd = await answerOf(await other.fetch("/files?metadata.parity=1"));
    expect(odd.data.map(({ id }: { id: string }) => id)).toEqual([ids[5], ids[3], ids[1]]);
    expect((await answerOf(await other.fetch("/files?created_after=2100-01-01T00:00:00Z"))).data).toEqual([]);
    expect((await answerOf(await other.fetch("/files?created_before=2100-01-01T00:00:00Z"))).data).toHaveLength(7);
  });

  it.each([
    "cursor=nonsense",
    "cursor=WzEsMl0",
    "limit=0",
    "limit=x",
    "status=lost",
    "created_after=yesterday",
    "metadata.=x",
    "metadata.a=1&metadata.a=2",
  ])("refuses ?%s", async (query) => {
    const response = await tenant.fetch(`/files?${query}`);
    const answer = await answerOf(response);
    expect([response.status, answer.code]).toEqual([400, "validation_failed"]);
    expect(answer.issues[0]?.pointer).toMatch(/^\/querystring\//);
  });
});

describe("tenants", () => {
  it("get for another's file what they get for none", async () => {
    const stranger = await app.tenant("admin");
    const { id } = await put("mine.txt", randomBytes(30_000));
    const absent = encodeId("file", uuidv7());
    for (const [method, path] of [
      ["GET", ""],
      ["HEAD", ""],
      ["GET", "/content"],
      ["HEAD", "/content"],
      ["DELETE", ""],
    ] as const) {
      const [foreign, none] = await Promise.all([id, absent].map((file) => stranger.fetch(`/files/${file}${path}`, { method })));
      expect([method, path, foreign?.status]).toEqual([method, path, 404]);
      const [foreignText, noneText] = [await foreign?.text(), await none?.text()];
      const plain = (text: string | undefined) =>
        text
          ?.replace(/urn:request:[^"]*/, "")
          .replaceAll(id, "ID")
          .replaceAll(absent, "ID");
      expect(plain(foreignText)).toBe(plain(noneText));
    }
    expect((await tenant.fetch(`/files/${id}/content`)).status).toBe(200);
    expect((await answerOf(await stranger.fetch("/files"))).data).toEqual([]);
  });
});

describe("deleting", () => {
  it("takes the bytes away and keeps the row", async () => {
    const before = await objects();
    const { id } = await put("gone.bin", randomBytes(100_000));
    expect(await objects()).toHaveLength(before.length + 1);
    expect((await tenant.fetch(`/files/${id}`, { method: "DELETE" })).status).toBe(204);
    expect(await objects()).toEqual(before);
    expect((await tenant.fetch(`/files/${id}/content`)).status).toBe(404);
    expect((await answerOf(await tenant.fetch(`/files/${id}`))).status).toBe("deleted");
    expect((await tenant.fetch(`/files/${id}`, { method: "DELETE" })).status).toBe(404);
    expect((await answerOf(await tenant.fetch("/files?status=deleted"))).data[0]?.id).toBe(id);
    const events = await app.cloned.database.asTenant(tenant.id, (transaction) =>
      transaction.query<{ type: string }>(sql`SELECT type FROM events WHERE data->>'file_id' = ${id} ORDER BY id`),
    );
    expect(events.map(({ type }) => type)).toEqual(["file.stored", "file.deleted"]);
  });

  it("refuses while an open job needs the file", async () => {
    const form = new FormData();
    form.append("file", new Blob(["needed"]), "a.txt");
    form.append("pipeline", '{"steps":{"stats":{"use":"text.stats"}}}');
    const { files, job_id } = await answerOf(await tenant.fetch("/files", { method: "POST", body: form }));
    const refused = await tenant.fetch(`/files/${files[0]?.id}`, { method: "DELETE" });
    expect([refused.status, (await answerOf(refused)).code]).toEqual([409, "conflict"]);
    expect(job_id).toMatch(/^job_/);
    await app.cloned.database.asTenant(tenant.id, (transaction) => transaction.execute(sql`UPDATE jobs SET status = 'cancelled'`));
    expect((await tenant.fetch(`/files/${files[0]?.id}`, { method: "DELETE" })).status).toBe(204);
  });
});

describe("trouble", () => {
  it("says unavailable, not internal, where an object is missing, and logs it", async () => {
    const { id } = await put("lost.bin", randomBytes(100_000));
    const [key] = (await objects()).slice(-1);
    for await (const object of app.services.store.list(tenant.id)) await app.services.store.delete(object.key);
    const response = await tenant.fetch(`/files/${id}/content`);
    expect([response.status, (await answerOf(response)).code, response.headers.get("retry-after")]).toEqual([503, "unavailable", "5"]);
    expect(key).toBeDefined();
    expect(app.logged.filter((line) => line.msg === "request failed" && line.code === "unavailable")).toHaveLength(1);
  });

  it("closes the object where a client goes away in the middle", async () => {
    const { id } = await put("large.bin", Buffer.alloc(30_000_000, "x"));
    const open = async () => {
      const links = await Promise.all((await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")));
      return links.filter((link) => link.startsWith(`${app.folder}/objects/`)).length;
    };
    const request = httpGet(`${app.url}/api/v1/files/${id}/content`, { headers: { authorization: `Bearer ${tenant.key}` } });
    await new Promise<void>((resolve, reject) => {
      request.on("response", (response) => response.once("readable", () => resolve()));
      request.on("error", reject);
    });
    expect(await open()).toBe(1);
    request.destroy();
    await expect.poll(open).toBe(0);
  });
});
