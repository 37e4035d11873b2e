import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../../../test/test-app.ts";
import { metadata, tusAt, type Tus } from "../../../../test/tus.ts";

let app: TestApp;
let tenant: TestTenant;
let tus: Tus;
beforeAll(async () => {
  app = await startTestApp({ limits: { maxFileBytes: 1_000_000, uploadExpiryMs: 3_600_000 } });
  tenant = await app.tenant();
  tus = tusAt(app.url, tenant.key);
});
afterAll(() => app.close());

const fileOf = async (id: unknown) => (await tenant.fetch(`/files/${String(id)}`)).json();

describe("tus creation", () => {
  it("is answered with 201 and a Location that takes the bytes", async () => {
    const { status, headers, url } = await tus.create({ "upload-length": "3" });
    expect(status).toBe(201);
    expect(headers.location).toMatch(/^\/api\/v1\/uploads\/upl_[0-9a-z]{26}$/);
    expect(await tus.patch(url, 0, Buffer.from("abc"))).toMatchObject({ status: 204 });
  });

  it("needs a length or the word that it is deferred, not both", async () => {
    for (const headers of [{}, { "upload-length": "5", "upload-defer-length": "1" }]) {
      expect(await tus.create(headers)).toMatchObject({ status: 400, body: { code: "validation_failed" } });
    }
  });

  it.each(["-1", "1.5", "0x5", "five", "", "99999999999999999999"])("with Upload-Length %j is refused", async (length) => {
    expect(await tus.create({ "upload-length": length })).toMatchObject({ status: 400, body: { code: "validation_failed" } });
  });

  it("of more than Tus-Max-Size is refused with 413", async () => {
    expect(await tus.create({ "upload-length": "1000001" })).toMatchObject({ status: 413, body: { code: "file_too_large" } });
    expect((await tus.create({ "upload-length": "1000000" })).status).toBe(201);
  });

  it("of an empty file is complete at once", async () => {
    const { status, headers, url } = await tus.create({ "upload-length": "0", "upload-metadata": metadata({ filename: "empty.txt" }) });
    expect(status).toBe(201);
    expect(await fileOf(headers["filemill-file-id"])).toMatchObject({ name: "empty.txt", size: 0 });
    expect(await tus.head(url)).toMatchObject({ status: 200, headers: { "upload-offset": "0", "upload-length": "0" } });
  });

  it("gives its metadata back as it was sent", async () => {
    const sent = `${metadata({ filename: "a b.txt", note: "" })},is_confidential`;
    const { url } = await tus.create({ "upload-length": "3", "upload-metadata": sent });
    expect((await tus.head(url)).headers["upload-metadata"]).toBe(sent);
    const last = await tus.patch(url, 0, Buffer.from("abc"));
    expect(await fileOf(last.headers["filemill-file-id"])).toMatchObject({ name: "a b.txt", metadata: { note: "", is_confidential: "" } });
    expect((await tus.head(url)).headers["upload-metadata"]).toBe(sent);
  });

  it("without metadata has no such header", async () => {
    const { url } = await tus.create({ "upload-length": "3" });
    expect((await tus.head(url)).headers["upload-metadata"]).toBeUndefined();
  });

  it.each([
    ["bad Base64", "filename a!b"],
    ["cut Base64", "filename YWJ"],
    ["a key twice", "a YQ==,a Yg=="],
    ["an empty pair", "a YQ==,,b Yg=="],
    ["more than a value", "a YQ== Yg=="],
    ["a tab in a key", "a\tb YQ=="],
    ["a key beyond ASCII", "schl\u00fcssel YQ=="],
    ["NUL in a value", `filename ${Buffer.from("a\0b").toString("base64")}`],
    ["CR and LF in a name", `filename ${Buffer.from("a\r\nSet-Cookie: b").toString("base64")}`],
    ["bytes that are no text", `note ${Buffer.from([0xff, 0xfe, 0xc0]).toString("base64")}`],
    ["a name of 256 bytes", metadata({ filename: "x".repeat(256) })],
    ["__proto__", metadata({ __proto__x: "a" }).replace("__proto__x", "__proto__")],
    ["5 KiB of it", metadata({ a: "x".repeat(2_000), b: "x".repeat(2_000), c: "x".repeat(1_000) })],
    ["params without a pipeline", metadata({ params: "{}" })],
    ["params that are no JSON", metadata({ pipeline: "thumbnails", params: "{" })],
  ])("with metadata that has %s is refused", async (_what, header) => {
    expect(await tus.create({ "upload-length": "3", "upload-metadata": header })).toMatchObject({
      status: 400,
      body: { code: "validation_failed" },
    });
  });

  it("with a pipeline that can't be run is refused before any byte", async () => {
    const unknown = await tus.create({ "upload-length": "3", "upload-metadata": metadata({ pipeline: "no-such-pipeline" }) });
    expect(unknown).toMatchObject({ status: 404, body: { code: "not_found" } });
    const bad = await tus.create({ "upload-length": "3", "upload-metadata": metadata({ pipeline: '{"steps":{"a":{"use":"no.such"}}}' }) });
    expect(bad).toMatchObject({ status: 400, body: { code: "validation_failed" } });
  });

  it("with a pipeline starts its job in the commit that makes the file", async () => {
    const pipeline = '{"name":"counting","steps":{"stats":{"use":"text.stats"}}}';
    const created = await tus.create({
      "upload-length": "12",
      "upload-metadata": metadata({ filename: "a.txt", pipeline, metadata: '{"case":"tus"}' }),
    });
    const last = await tus.patch(created.url, 0, Buffer.from("hello world\n"));
    const job = await (await tenant.fetch(`/jobs/${String(last.headers["filemill-job-id"])}`)).json();
    expect(job).toMatchObject({ status: "queued", pipeline: { name: "counting" } });
    expect((await answerOf(await tenant.fetch("/jobs?metadata.case=tus"))).data).toHaveLength(1);
    expect(await fileOf(last.headers["filemill-file-id"])).toMatchObject({ metadata: { case: "tus" } });
    expect((await tus.head(created.url)).headers["filemill-job-id"]).toBe(last.headers["filemill-job-id"]);
  });
});

describe("tus creation-defer-length", () => {
  it("takes the length later, says that it is deferred till then, and never changes it", async () => {
    const { status, url } = await tus.create({ "upload-defer-length": "1" });
    expect(status).toBe(201);
    const open = await tus.head(url);
    expect(open.headers).toMatchObject({ "upload-defer-length": "1", "upload-offset": "0" });
    expect(open.headers["upload-length"]).toBeUndefined();
    expect(await tus.patch(url, 0, Buffer.from("abc"))).toMatchObject({ status: 204, headers: { "upload-offset": "3" } });
    expect((await tus.head(url)).headers["upload-defer-length"]).toBe("1");
    expect(await tus.patch(url, 3, Buffer.from("de"), { "upload-length": "2" })).toMatchObject({ status: 400 });
    expect(await tus.patch(url, 3, Buffer.from("de"), { "upload-length": "4" })).toMatchObject({ status: 413 });
    expect(await tus.patch(url, 3, Buffer.from("de"), { "upload-length": "1000001" })).toMatchObject({ status: 413 });
    expect(await tus.patch(url, 3, Buffer.from("de"), { "upload-length": "6" })).toMatchObject({
      status: 204,
      headers: { "upload-offset": "5" },
    });
    const known = await tus.head(url);
    expect(known.headers).toMatchObject({ "upload-length": "6", "upload-offset": "5" });
    expect(known.headers["upload-defer-length"]).toBeUndefined();
    expect(await tus.patch(url, 5, Buffer.from("f"), { "upload-length": "7" })).toMatchObject({
      status: 400,
      body: { code: "validation_failed" },
    });
    const last = await tus.patch(url, 5, Buffer.from("f"), { "upload-length": "6" });
    expect(await fileOf(last.headers["filemill-file-id"])).toMatchObject({ size: 6 });
  });

  it("is completed by a PATCH that brings the length and no byte", async () => {
    const { url } = await tus.create({ "upload-defer-length": "1" });
    await tus.patch(url, 0, Buffer.from("abc"));
    const last = await tus.patch(url, 3, Buffer.alloc(0), { "upload-length": "3" });
    expect(last).toMatchObject({ status: 204, headers: { "upload-offset": "3" } });
    expect(await fileOf(last.headers["filemill-file-id"])).toMatchObject({ size: 3 });
  });

  it.each(["0", "2", "true", ""])("Upload-Defer-Length %j is refused with 400", async (value) => {
    expect(await tus.create({ "upload-defer-length": value })).toMatchObject({ status: 400, body: { code: "validation_failed" } });
  });
});

describe("tus creation-with-upload", () => {
  it("takes the first bytes, and says in Upload-Offset how many", async () => {
    const part = await tus.create({ "upload-length": "5" }, Buffer.from("ab"));
    expect(part).toMatchObject({ status: 201, headers: { "upload-offset": "2" } });
    expect(await tus.patch(part.url, 2, Buffer.from("cde"))).toMatchObject({ status: 204 });
    const whole = await tus.create({ "upload-length": "5" }, Buffer.from("abcde"));
    expect(whole).toMatchObject({ status: 201, headers: { "upload-offset": "5" } });
    expect(await fileOf(whole.headers["filemill-file-id"])).toMatchObject({ size: 5 });
  });

  it("needs the Content-Type of a PATCH", async () => {
    const refused = await tus.create({ "upload-length": "5", "content-type": "text/plain" }, Buffer.from("ab"));
    expect(refused).toMatchObject({ status: 415, body: { code: "type_not_allowed" } });
  });

  it("with more bytes than its length is refused before the body, and makes nothing", async () => {
    expect(await tus.create({ "upload-length": "1" }, Buffer.from("ab"))).toMatchObject({ status: 413, body: { code: "file_too_large" } });
  });

  it("whose checksum is wrong makes nothing", async () => {
    const refused = await tus.create(
      { "upload-length": "2", "upload-checksum": `sha1 ${Buffer.alloc(20).toString("base64")}` },
      Buffer.from("ab"),
    );
    expect(refused).toMatchObject({ status: 460, body: { code: "checksum_mismatch" } });
    expect((await tus.head(refused.url)).status).toBe(410);
  });
});
