import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { decodeId } from "@filemill/contract/ids.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestApp, type TestApp, type TestTenant } from "../../../../test/test-app.ts";
import { cutAfter, isLocked, metadata, tusAt, type Tus } from "../../../../test/tus.ts";
import { sql } from "../../../db/sql.ts";
import { expireUploads } from "../../../lifecycle/expire-uploads.ts";

let app: TestApp;
let tenant: TestTenant;
let tus: Tus;
beforeAll(async () => {
  app = await startTestApp({ limits: { uploadExpiryMs: 3_600_000 } });
  tenant = await app.tenant();
  tus = tusAt(app.url, tenant.key);
});
afterAll(() => app.close());

async function begin(length: number, headers: Record<string, string> = {}): Promise<string> {
  const { url, status } = await tus.create({ "upload-length": String(length), ...headers });
  expect(status).toBe(201);
  return url;
}

const idIn = (url: string) => decodeId("upload", url.slice(url.lastIndexOf("/") + 1));
const fileOf = async (id: unknown) => (await tenant.fetch(`/files/${String(id)}`)).json();

async function textOf(id: unknown): Promise<string> {
  return await (await tenant.fetch(`/files/${String(id)}/content`)).text();
}

async function keysInStore(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of app.services.store.list(`${tenant.id}/`)) keys.push(key);
  return keys;
}

describe("tus expiration", () => {
  it("is told by every answer as long as the upload is open, as an HTTP date, and moves on", async () => {
    const created = await tus.create({ "upload-length": "4" });
    const answers = [created, await tus.patch(created.url, 0, Buffer.from("ab")), await tus.head(created.url)];
    for (const { headers } of answers) {
      const told = String(headers["upload-expires"]);
      expect(new Date(told).toUTCString()).toBe(told);
      expect(Date.parse(told) - Date.now()).toBeGreaterThan(3_500_000);
    }
    expect((await tus.patch(created.url, 2, Buffer.from("cd"))).headers["upload-expires"]).toBeUndefined();
  });

  it("ends an upload: 410, and what came is deleted", async () => {
    const url = await begin(100_000);
    await tus.patch(url, 0, Buffer.alloc(50_000));
    expect(await keysInStore()).toHaveLength(1);
    await app.services.database.asSystem((transaction) =>
      transaction.execute(sql`UPDATE uploads SET expires_at = now() WHERE id = ${idIn(url)}::uuid`),
    );
    const answers = () => Promise.all([tus.head(url), tus.patch(url, 50_000, Buffer.alloc(1)), tus.send("DELETE", url)]);
    for (const { status } of await answers()) expect(status).toBe(410);
    const { contents, database } = app.services;
    const expired = await expireUploads({ database, discard: (segments) => contents.discard({ segments }) });
    expect(expired.uploads).toBe(1);
    for (const { status } of await answers()) expect(status).toBe(410);
    expect(await keysInStore()).toEqual([]);
  });
});

describe("tus checksum", () => {
  const content = Buffer.from("hello world");
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(content));
  const right = {
    sha1: createHash("sha1").update(content).digest("base64"),
    md5: createHash("md5").update(content).digest("base64"),
    sha256: createHash("sha256").update(content).digest("base64"),
    crc32: crc.toString("base64"),
  };

  it("has the protocol's own example right", () => {
    expect(right.sha1).toBe("Kq5sNclPz7QV2+lfQIuc6R7oRu0=");
  });

  it.each(Object.entries(right))("%s is checked, and right", async (algorithm, digest) => {
    const url = await begin(11);
    expect(await tus.patch(url, 0, content, { "upload-checksum": `${algorithm} ${digest}` })).toMatchObject({ status: 204 });
  });

  it.each(Object.entries(right))(
    "%s is checked, and wrong: 460, nothing kept, and the offset is where it was",
    async (algorithm, digest) => {
      const url = await begin(22);
      expect((await tus.patch(url, 0, content)).status).toBe(204);
      const before = await keysInStore();
      const refused = await tus.patch(url, 11, Buffer.from("hello_world"), { "upload-checksum": `${algorithm} ${digest}` });
      expect(refused).toMatchObject({ status: 460, body: { code: "checksum_mismatch" } });
      expect((await tus.head(url)).headers["upload-offset"]).toBe("11");
      expect(await keysInStore()).toEqual(before);
      const again = await tus.patch(url, 11, content, { "upload-checksum": `${algorithm} ${digest}` });
      expect(await textOf(again.headers["filemill-file-id"])).toBe("hello worldhello world");
    },
  );

  it("a length that comes with a wrong checksum is not set", async () => {
    const { url } = await tus.create({ "upload-defer-length": "1" });
    const wrong = { "upload-checksum": `sha1 ${right.sha1}`, "upload-length": "3" };
    expect((await tus.patch(url, 0, Buffer.from("abc"), wrong)).status).toBe(460);
    expect((await tus.head(url)).headers).toMatchObject({ "upload-defer-length": "1", "upload-offset": "0" });
  });

  it("of a part that is cut off: nothing of it counts", async () => {
    const url = await begin(100_000);
    await cutAfter(tus.open(url, 0, { "content-length": "100000", "upload-checksum": `sha1 ${right.sha1}` }), Buffer.alloc(70_000), () =>
      isLocked(app.services.database, url),
    );
    expect((await tus.head(url)).headers["upload-offset"]).toBe("0");
  });

  it.each(["sha512 YQ==", "SHA1 YQ==", "sha1", "sha1 !!", "sha1  YQ==", "sha1 YQ==", `md5 ${right.sha1}`])(
    "Upload-Checksum %j is refused with 400, and nothing is kept",
    async (header) => {
      const url = await begin(11);
      expect(await tus.patch(url, 0, content, { "upload-checksum": header })).toMatchObject({
        status: 400,
        body: { code: "validation_failed" },
      });
      expect((await tus.head(url)).headers["upload-offset"]).toBe("0");
    },
  );
});

describe("tus termination", () => {
  it("frees what came: 204, and 410 from then on", async () => {
    const url = await begin(100_000);
    await tus.patch(url, 0, Buffer.alloc(50_000));
    const before = await keysInStore();
    expect(await tus.send("DELETE", url)).toMatchObject({ status: 204 });
    expect(await keysInStore()).toHaveLength(before.length - 1);
    for (const answer of [await tus.head(url), await tus.patch(url, 50_000, Buffer.alloc(1)), await tus.send("DELETE", url)]) {
      expect(answer.status).toBe(410);
    }
  });

  it("of a completed upload leaves the file to its own DELETE", async () => {
    const created = await tus.create({ "upload-length": "3" }, Buffer.from("abc"));
    expect(await tus.send("DELETE", created.url)).toMatchObject({ status: 204 });
    expect((await tus.head(created.url)).status).toBe(410);
    expect(await textOf(created.headers["filemill-file-id"])).toBe("abc");
  });
});

describe("tus concatenation", () => {
  const partial = async (text: string) =>
    (await tus.create({ "upload-length": String(text.length), "upload-concat": "partial" }, Buffer.from(text))).url;

  it("joins partials in the order of the list, whole URLs or paths, and nothing else", async () => {
    const [world, hello] = [await partial(" world"), await partial("hello")];
    const concat = `final;${app.url}${hello} ${world}`;
    const sent = metadata({ filename: "hello.txt" });
    const final = await tus.create({ "upload-concat": concat, "upload-metadata": sent });
    expect(final).toMatchObject({ status: 201, headers: { "upload-offset": "11" } });
    expect(await textOf(final.headers["filemill-file-id"])).toBe("hello world");
    expect(await fileOf(final.headers["filemill-file-id"])).toMatchObject({ name: "hello.txt", size: 11 });
    const looked = await tus.head(final.url);
    expect(looked).toMatchObject({
      status: 200,
      headers: { "upload-offset": "11", "upload-length": "11", "upload-concat": concat, "upload-metadata": sent },
    });
  });

  it("takes over large partials without copying a byte", async () => {
    const parts = [Buffer.alloc(40_000, "a"), Buffer.alloc(70_000, "b")];
    const urls = [];
    for (const part of parts) urls.push((await tus.create({ "upload-length": String(part.length), "upload-concat": "partial" }, part)).url);
    const before = await keysInStore();
    const final = await tus.create({ "upload-concat": `final;${urls.join(" ")}` });
    const whole = Buffer.concat(parts);
    expect(await fileOf(final.headers["filemill-file-id"])).toMatchObject({ sha256: createHash("sha256").update(whole).digest("hex") });
    expect(await textOf(final.headers["filemill-file-id"])).toBe(whole.toString());
    expect((await keysInStore()).toSorted()).toEqual(before.toSorted());
  });

  it("partials keep their header and offset, become no file, and their metadata stays theirs", async () => {
    const url = await begin(3, { "upload-concat": "partial", "upload-metadata": metadata({ colour: "red" }) });
    expect((await tus.head(url)).headers).toMatchObject({ "upload-concat": "partial", "upload-offset": "0", "upload-length": "3" });
    const done = await tus.patch(url, 0, Buffer.from("abc"));
    expect(done.headers["filemill-file-id"]).toBeUndefined();
    expect(done.headers["upload-expires"]).toBeDefined();
    expect((await tus.head(url)).headers).toMatchObject({ "upload-concat": "partial", "upload-offset": "3" });
    const final = await tus.create({ "upload-concat": `final;${url}` });
    expect(await fileOf(final.headers["filemill-file-id"])).toMatchObject({ metadata: {} });
    expect((await tus.head(final.url)).headers["upload-metadata"]).toBeUndefined();
  });

  it("a PATCH to a final upload is refused with 403, and changes nothing", async () => {
    const final = await tus.create({ "upload-concat": `final;${await partial("abc")}` });
    expect(await tus.patch(final.url, 3, Buffer.from("d"))).toMatchObject({ status: 403, body: { code: "forbidden" } });
    expect(await textOf(final.headers["filemill-file-id"])).toBe("abc");
  });

  it("with partials that are not complete is refused with 409", async () => {
    const open = await begin(3, { "upload-concat": "partial" });
    const done = await partial("abc");
    expect(await tus.create({ "upload-concat": `final;${done} ${open}` })).toMatchObject({ status: 409, body: { code: "conflict" } });
    await tus.patch(open, 0, Buffer.from("def"));
    expect((await tus.create({ "upload-concat": `final;${done} ${open}` })).status).toBe(201);
  });

  it("again gives the same final, and a partial that is used can't be used otherwise", async () => {
    const [one, two] = [await partial("one"), await partial("two")];
    const first = await tus.create({ "upload-concat": `final;${one} ${two}` });
    expect(await tus.create({ "upload-concat": `final;${one} ${two}` })).toMatchObject({ status: 201, url: first.url });
    expect(await tus.create({ "upload-concat": `final;${two} ${one}` })).toMatchObject({ status: 410, body: { code: "gone" } });
    expect((await tus.head(one)).status).toBe(410);
  });

  it("ten times at once makes one file, and each is told of it", async () => {
    const concat = `final;${await partial("x".repeat(30_000))} ${await partial("y".repeat(30_000))}`;
    const answers = await Promise.all(Array.from({ length: 10 }, () => tus.create({ "upload-concat": concat })));
    for (const { status, headers } of answers) expect([status, headers]).toMatchObject([201, { "filemill-file-id": expect.any(String) }]);
    expect(new Set(answers.map(({ url }) => url)).size).toBe(1);
  });

  it("with a length, a body, a bad list, or what is no partial upload of this tenant is refused", async () => {
    const url = await partial("abc");
    const stranger = tusAt(app.url, (await app.tenant()).key);
    const single = await begin(3);
    const refusals: [Record<string, string>, number][] = [
      [{ "upload-concat": `final;${url}`, "upload-length": "3" }, 400],
      [{ "upload-concat": `final;${url} ${url}` }, 400],
      [{ "upload-concat": "final;" }, 400],
      [{ "upload-concat": "finale" }, 400],
      [{ "upload-concat": "final;https://elsewhere.example/x" }, 404],
      [{ "upload-concat": "final;/api/v1/uploads/upl_00000000000000000000000000" }, 404],
      [{ "upload-concat": `final;${single}` }, 404],
    ];
    for (const [headers, status] of refusals) expect((await tus.create(headers)).status, JSON.stringify(headers)).toBe(status);
    expect((await tus.create({ "upload-concat": `final;${url}` }, Buffer.from("x"))).status).toBe(400);
    const foreign = await stranger.create({ "upload-concat": `final;${url}` });
    const absent = await stranger.create({ "upload-concat": "final;/api/v1/uploads/upl_00000000000000000000000000" });
    expect([foreign.status, foreign.body.code]).toEqual([absent.status, absent.body.code]);
    expect(foreign.status).toBe(404);
  });
});
