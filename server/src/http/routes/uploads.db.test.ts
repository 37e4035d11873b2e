import { createHash, randomBytes } from "node:crypto";
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

const hex = (content: Buffer) => createHash("sha256").update(content).digest("hex");

async function expectFile(id: unknown, content: Buffer, more: Record<string, unknown> = {}): Promise<void> {
  const file = await (await tenant.fetch(`/files/${String(id)}`)).json();
  expect(file).toMatchObject({ status: "stored", origin: "upload", size: content.length, sha256: hex(content), ...more });
  const back = Buffer.from(await (await tenant.fetch(`/files/${String(id)}/content`)).arrayBuffer());
  expect(hex(back)).toBe(hex(content));
}

describe("a resumable upload", () => {
  it("becomes a file when its last byte is there", async () => {
    const content = randomBytes(100_000);
    const created = await tus.create({ "upload-length": "100000", "upload-metadata": metadata({ filename: "a.bin", colour: "blue" }) });
    expect(created.status).toBe(201);
    const first = await tus.patch(created.url, 0, content.subarray(0, 30_000));
    expect(first).toMatchObject({ status: 204, headers: { "upload-offset": "30000" } });
    expect(first.headers["filemill-file-id"]).toBeUndefined();
    const last = await tus.patch(created.url, 30_000, content.subarray(30_000));
    expect(last).toMatchObject({ status: 204, headers: { "upload-offset": "100000" } });
    await expectFile(last.headers["filemill-file-id"], content, {
      name: "a.bin",
      metadata: { colour: "blue" },
      media_type: "application/octet-stream",
    });
  });

  it("in one PATCH", async () => {
    const content = randomBytes(3_000_000);
    const created = await tus.create({ "upload-length": String(content.length) });
    const answer = await tus.patch(created.url, 0, content);
    expect(answer.status).toBe(204);
    await expectFile(answer.headers["filemill-file-id"], content, { name: "upload" });
  });

  it("of a few bytes ends up in the file's row", async () => {
    const content = Buffer.from("a,b\n1,2\n3,4\n");
    const created = await tus.create({ "upload-length": "12", "upload-metadata": metadata({ filename: "t.csv" }) }, content);
    expect(created).toMatchObject({ status: 201, headers: { "upload-offset": "12" } });
    await expectFile(created.headers["filemill-file-id"], content, { media_type: "text/csv" });
  });

  it("of no bytes is complete at once", async () => {
    const created = await tus.create({ "upload-length": "0" });
    expect(created.status).toBe(201);
    await expectFile(created.headers["filemill-file-id"], Buffer.alloc(0));
  });
});
