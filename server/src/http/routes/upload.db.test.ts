import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { keptBy } from "../../../test/kept.ts";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { installFailpoint } from "../../failpoint.ts";

const MAX_FILE_BYTES = 3_000_000;
const MAX_FILES = 5;

let app: TestApp;
let tenant: TestTenant;
beforeAll(async () => {
  app = await startTestApp({ limits: { maxFileBytes: MAX_FILE_BYTES, maxFilesPerRequest: MAX_FILES } });
  tenant = await app.tenant();
});
afterAll(() => app.close());

const kept = () => keptBy(app);

async function send(form: FormData, headers: Record<string, string> = {}) {
  const response = await tenant.fetch("/files", { method: "POST", body: form, headers });
  return { status: response.status, body: await answerOf(response) };
}

function formOf(files: Record<string, Buffer | string>, fields: Record<string, string> = {}): FormData {
  const form = new FormData();
  for (const [name, content] of Object.entries(files)) form.append("file", new Blob([new Uint8Array(Buffer.from(content))]), name);
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return form;
}

describe("a form of files", () => {
  it("stores them all, in order, with metadata", async () => {
    const large = randomBytes(200_000);
    const { status, body } = await send(
      formOf({ "a/b.csv": "x,y\n1,2\n3,4\n", "large.bin": large, "empty.txt": "" }, { metadata: '{"batch":"7"}' }),
    );
    expect(status, JSON.stringify(body)).toBe(201);
    expect(body.files).toMatchObject([
      { name: "b.csv", size: 12, media_type: "text/csv" },
      { name: "large.bin", size: 200_000, media_type: "application/octet-stream" },
      { name: "empty.txt", size: 0, media_type: "application/x-empty" },
    ]);
    const { data } = await answerOf(await tenant.fetch("/files?metadata.batch=7"));
    expect(data.map(({ name }: { name: string }) => name).toSorted()).toEqual(["b.csv", "empty.txt", "large.bin"]);
    const content = await tenant.fetch(`/files/${body.files[1]?.id}/content`);
    expect(Buffer.from(await content.arrayBuffer()).equals(large)).toBe(true);
  });

  const document = JSON.stringify({ steps: { stats: { use: "text.stats" } } });
  it.each(["before", "behind"])("makes a job over them where the pipeline stands %s the files", async (place) => {
    const form = new FormData();
    if (place === "before") form.append("pipeline", document);
    form.append("file", new Blob(["one two"]), "a.txt");
    form.append("file", new Blob(["three"]), "b.txt");
    if (place === "behind") form.append("pipeline", document);
    const { status, body } = await send(form);
    expect(status, JSON.stringify(body)).toBe(202);
    expect(body).toMatchObject({ status: "queued", files: [{ name: "a.txt" }, { name: "b.txt" }] });
    expect(body.job_id).toMatch(/^job_/);
  });

  it("gives the answer again for the same Idempotency-Key, and keeps the bytes once", async () => {
    const content = randomBytes(50_000);
    const form = () => formOf({ "a.bin": content }, { pipeline: document });
    const first = await send(form(), { "idempotency-key": "k1" });
    const before = await kept();
    const second = await send(form(), { "idempotency-key": "k1" });
    expect(second).toEqual(first);
    expect(await kept()).toEqual(before);
    const other = await send(formOf({ "a.bin": randomBytes(50_000) }), { "idempotency-key": "k1" });
    expect(other).toMatchObject({ status: 422, body: { code: "idempotency_key_reused" } });
    expect(await kept()).toEqual(before);
  });

  it("takes a file of exactly the limit", async () => {
    const { status } = await send(formOf({ a: randomBytes(MAX_FILE_BYTES) }));
    expect(status).toBe(201);
  });
});

describe("a form that is refused leaves nothing", () => {
  let before: Awaited<ReturnType<typeof kept>>;
  beforeAll(async () => {
    before = await kept();
  });
  afterEach(async () => {
    expect(await kept()).toEqual(before);
  });

  const big = randomBytes(400_000);
  it.each<[string, () => FormData, number, string]>([
    ["no file", () => formOf({}, { metadata: "{}" }), 400, "validation_failed"],
    ["one file too large, behind a good one", () => formOf({ a: big, b: randomBytes(MAX_FILE_BYTES + 1) }), 413, "file_too_large"],
    [
      "too many files",
      () => formOf(Object.fromEntries(Array.from({ length: MAX_FILES + 1 }, (_, index) => [`f${index}`, big]))),
      413,
      "file_too_large",
    ],
    ["an unknown field", () => formOf({ a: big }, { colour: "red" }), 400, "validation_failed"],
    ["__proto__ as a field", () => formOf({ a: big }, { ["__proto__x"]: "1", ["constructor"]: "1" }), 400, "validation_failed"],
    ["metadata that is no JSON", () => formOf({ a: big }, { metadata: "{" }), 400, "validation_failed"],
    ["metadata with numbers", () => formOf({ a: big }, { metadata: '{"a":1}' }), 400, "validation_failed"],
    ["params without a pipeline", () => formOf({ a: big }, { params: "{}" }), 400, "validation_failed"],
    ["an unknown pipeline", () => formOf({ a: big }, { pipeline: "nothing" }), 404, "not_found"],
    ["a pipeline with a mistake", () => formOf({ a: big }, { pipeline: '{"steps":{"a":{"use":"no.such"}}}' }), 400, "validation_failed"],
    ["a pipeline with an unknown key", () => formOf({ a: big }, { pipeline: '{"stepz":{}}' }), 400, "validation_failed"],
  ])("%s", async (_label, form, status, code) => {
    const answer = await send(form());
    expect(answer, JSON.stringify(answer.body)).toMatchObject({ status, body: { code, status } });
  });

  it("a field given twice", async () => {
    const form = formOf({ a: big }, { metadata: "{}" });
    form.append("metadata", "{}");
    expect(await send(form)).toMatchObject({ status: 400, body: { code: "validation_failed" } });
  });

  it.each(["upload-after-put-before-commit", "upload-before-commit", "disk-after-write", "disk-after-fsync", "disk-after-link"])(
    "a failure at %s",
    async (name) => {
      const installed = installFailpoint(`${name}:error`);
      const { status } = await send(formOf({ a: big, b: big }));
      installed.remove();
      expect(installed.hits.get(name)).toBeGreaterThan(0);
      expect(status).toBeGreaterThanOrEqual(500);
    },
  );
});

const B = "xyz";
const part = (headers: string, content = "hello") => `--${B}\r\n${headers}\r\n\r\n${content}\r\n`;
const FILE = 'Content-Disposition: form-data; name="file"; filename="a.txt"';
const END = `--${B}--\r\n`;
const LARGE = "y".repeat(100_000);

describe("hostile multipart", () => {
  it.each<[string, string, string, number]>([
    ["no boundary", "multipart/form-data", part(FILE) + END, 400],
    ["an empty body", `multipart/form-data; boundary=${B}`, "", 400],
    ["no closing boundary", `multipart/form-data; boundary=${B}`, part(FILE, LARGE), 400],
    ["cut in a part", `multipart/form-data; boundary=${B}`, `--${B}\r\n${FILE}\r\n\r\n${LARGE}`, 400],
    ["cut in a part's headers", `multipart/form-data; boundary=${B}`, `${part(FILE, LARGE)}--${B}\r\nContent-Dispo`, 400],
    ["a header without a colon", `multipart/form-data; boundary=${B}`, part(FILE, LARGE) + part("nonsense") + END, 400],
    ["a header of 20 KB", `multipart/form-data; boundary=${B}`, part(`${FILE}\r\nX-A: ${"a".repeat(20_000)}`) + END, 400],
    ["an empty field name", `multipart/form-data; boundary=${B}`, part('Content-Disposition: form-data; name=""') + END, 400],
    ["no field name", `multipart/form-data; boundary=${B}`, part('Content-Disposition: form-data; filename="a.txt"') + END, 400],
    [
      "__proto__",
      `multipart/form-data; boundary=${B}`,
      part(FILE) + part('Content-Disposition: form-data; name="__proto__"', '{"a":1}') + END,
      400,
    ],
    [
      "constructor as a file",
      `multipart/form-data; boundary=${B}`,
      part('Content-Disposition: form-data; name="constructor"; filename="a"') + END,
      400,
    ],
    [
      "an empty file name",
      `multipart/form-data; boundary=${B}`,
      part('Content-Disposition: form-data; name="file"; filename=""', "x") + END,
      400,
    ],
    [
      "a file without a name",
      `multipart/form-data; boundary=${B}`,
      part('Content-Disposition: form-data; name="file"\r\nContent-Type: application/octet-stream') + END,
      400,
    ],
    [
      "NUL in a file name",
      `multipart/form-data; boundary=${B}`,
      part("Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''a%00b") + END,
      400,
    ],
    [
      "an unknown charset",
      `multipart/form-data; boundary=${B}`,
      part("Content-Disposition: form-data; name=\"file\"; filename*=no-such''a%ff") + END,
      400,
    ],
    [
      "a name of 300 characters",
      `multipart/form-data; boundary=${B}`,
      part(`Content-Disposition: form-data; name="file"; filename="${"n".repeat(300)}"`) + END,
      400,
    ],
    ["10,000 parts", `multipart/form-data; boundary=${B}`, part(FILE).repeat(10_000) + END, 413],
    [
      "a field of 2 MB",
      `multipart/form-data; boundary=${B}`,
      part(FILE) + part('Content-Disposition: form-data; name="params"', "z".repeat(2_000_000)) + END,
      413,
    ],
    ["another content type", "text/csv", "a,b\n", 415],
  ])("%s", async (_label, contentType, body, status) => {
    const before = await kept();
    const response = await tenant.fetch("/files", { method: "POST", body, headers: { "content-type": contentType } });
    const answer = await answerOf(response);
    expect(response.status, JSON.stringify(answer)).toBe(status);
    expect(response.headers.get("content-type")).toContain("application/problem+json");
    expect(answer.detail).not.toMatch(/\bat \S+:\d+/);
    expect(await kept()).toEqual(before);
    expect(Object.getPrototypeOf({})).not.toHaveProperty("a");
  });

  it("stores traversal in a name as data only", async () => {
    const body = part('Content-Disposition: form-data; name="file"; filename="../../etc/passwd"', LARGE) + END;
    const response = await tenant.fetch("/files", {
      method: "POST",
      body,
      headers: { "content-type": `multipart/form-data; boundary=${B}` },
    });
    expect((await answerOf(response)).files).toMatchObject([{ name: "passwd", size: LARGE.length }]);
  });
});
