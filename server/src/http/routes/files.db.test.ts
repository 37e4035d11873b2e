import { randomBytes } from "node:crypto";
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";

let app: TestApp;
let tenant: TestTenant;
beforeAll(async () => {
  app = await startTestApp();
  tenant = await app.tenant();
});
afterAll(() => (console.log(JSON.stringify(app.logged.filter((l) => Number(l.level) >= 50)).slice(0, 1500)), app.close()));

const sha256 = (content: Buffer) => createHash("sha256").update(content).digest("hex");

describe("files over HTTP", () => {
  it.each([
    ["empty", 0],
    ["inline", 16 * 1_024],
    ["one object", 16 * 1_024 + 1],
    ["several chunks", 3_000_000],
  ])("takes and gives back a raw body: %s", async (_label, sizeBytes) => {
    const content = randomBytes(sizeBytes);
    const put = await tenant.fetch("/files/photo%20%C3%A9.bin", { method: "PUT", body: content });
    const answer = await put.json();
    expect(put.status, JSON.stringify(answer)).toBe(201);
    const [file] = answer.files;
    expect(file).toMatchObject({ name: "photo é.bin", size: sizeBytes, sha256: sha256(content) });
    const got = await tenant.fetch(`/files/${file.id}/content`);
    expect(got.status).toBe(200);
    expect(Buffer.from(await got.arrayBuffer()).equals(content)).toBe(true);
    expect(await (await tenant.fetch(`/files/${file.id}`)).json()).toMatchObject({
      ...file,
      status: "stored",
      origin: "upload",
      job_id: null,
    });
  });
});
