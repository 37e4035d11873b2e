import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { metadata, tusAt, type Tus } from "../../../test/tus.ts";

let app: TestApp;
let tenant: TestTenant;
let tus: Tus;
beforeAll(async () => {
  app = await startTestApp();
  tenant = await app.tenant();
  tus = tusAt(app.url, tenant.key);
});
afterAll(() => app.close());

async function json(path: string): Promise<unknown> {
  return await (await tenant.fetch(path)).json();
}

describe("expires_at of a resumable upload", () => {
  const described = metadata({ filename: "a.txt", expires_at: "2099-01-31T12:00:00+01:00", album: "7" });

  it("is when the file ends, and no metadata of it", async () => {
    const { url } = await tus.create({ "upload-length": "5", "upload-metadata": described });
    const done = await tus.patch(url, 0, Buffer.from("hello"));
    expect(await json(`/files/${String(done.headers["filemill-file-id"])}`)).toMatchObject({
      expires_at: "2099-01-31T11:00:00.000Z",
      metadata: { album: "7" },
    });
  });

  it("is of the final upload where partial ones are joined", async () => {
    const part = await tus.create({ "upload-length": "5", "upload-concat": "partial" }, Buffer.from("hello"));
    const final = await tus.create({ "upload-concat": `final;${part.url}`, "upload-metadata": described });
    expect(await json(`/files/${String(final.headers["filemill-file-id"])}`)).toMatchObject({ expires_at: "2099-01-31T11:00:00.000Z" });
  });

  it.each(["2001-01-01T00:00:00Z", "tomorrow", "2099-01-31"])("%j is refused", async (text) => {
    const answer = await tus.create({ "upload-length": "5", "upload-metadata": metadata({ expires_at: text }) });
    expect(answer).toMatchObject({ status: 400, body: { code: "validation_failed", detail: expect.stringContaining("expires_at") } });
  });
});

describe("an upload whose pipeline is deleted while its bytes come", () => {
  async function put(name: string): Promise<number> {
    const body = JSON.stringify({ steps: { info: { use: "image.metadata" } } });
    const headers = { "content-type": "application/json" };
    return (await tenant.fetch(`/pipelines/${name}`, { method: "PUT", body, headers })).status;
  }

  async function begun(name: string, headers: Record<string, string>): Promise<string> {
    expect(await put(name)).toBe(201);
    const { url } = await tus.create({ ...headers, "upload-metadata": metadata({ filename: "a.txt", pipeline: name }) });
    expect((await tenant.fetch(`/pipelines/${name}`, { method: "DELETE" })).status).toBe(204);
    return url;
  }

  it("becomes a file all the same, and says why there is no job, whenever it is asked", async () => {
    const url = await begun("passing", { "upload-length": "5" });
    const done = await tus.patch(url, 0, Buffer.from("hello"));
    expect(done).toMatchObject({ status: 204, headers: { "upload-offset": "5", "filemill-job-problem": "not_found" } });
    expect(done.headers).not.toHaveProperty("filemill-job-id");
    const fileId = String(done.headers["filemill-file-id"]);
    expect(await json(`/files/${fileId}`)).toMatchObject({ status: "stored", size: 5 });
    expect((await tus.head(url)).headers).toMatchObject({ "filemill-file-id": fileId, "filemill-job-problem": "not_found" });
    expect(await json(url.replace("/api/v1", ""))).toMatchObject({
      status: "completed",
      file_id: fileId,
      job_id: null,
      job_problem: { code: "not_found", detail: expect.stringContaining('"passing"') },
    });
  });

  it("has a job where the pipeline is there again", async () => {
    const url = await begun("again", { "upload-length": "5" });
    expect(await put("again")).toBe(201);
    const done = await tus.patch(url, 0, Buffer.from("hello"));
    expect(done.headers).toHaveProperty("filemill-job-id");
    expect(done.headers).not.toHaveProperty("filemill-job-problem");
  });
});
