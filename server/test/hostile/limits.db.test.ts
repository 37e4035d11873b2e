import { createHash, randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { setLimits } from "../../src/tenants/set-limits.ts";
import { keptBy } from "../kept.ts";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../test-app.ts";
import { WAYS_IN, type Sent } from "./ways-in.ts";

/** What every way in says to what it does not take, and that nothing of it stays. */
const MAX_FILE_BYTES = 500_000;
const PICTURE = Buffer.concat([Buffer.from("GIF89a"), Buffer.alloc(2_000)]);
const TEXT = Buffer.from("words and words\n".repeat(3_000));

let app: TestApp;
let tenant: TestTenant;
beforeAll(async () => {
  app = await startTestApp({ limits: { maxFileBytes: MAX_FILE_BYTES, allowedTypes: ["text/*", "application/octet-stream"] } });
  tenant = await app.tenant();
});
afterAll(() => app.close());

const ways = Object.entries(WAYS_IN).map(([name, send]) => ({ name, send }));

describe.each(ways)("$name", ({ name, send }) => {
  const files = () => keptBy(app);

  async function refused(sent: Sent, { status, code, by = tenant }: { status: number; code: string; by?: TestTenant }): Promise<void> {
    const before = await files();
    const answer = await send(app, by, sent);
    const body = await answerOf(answer);
    expect([answer.status, body.code], JSON.stringify(body)).toEqual([status, code]);
    await expect.poll(files).toEqual(before);
  }

  it("takes what is good", async () => {
    const answer = await send(app, tenant, { content: TEXT, sha256: createHash("sha256").update(TEXT).digest() });
    expect(answer.status, await answer.text()).toBe(201);
  });

  it("is told of a file that is too large", async () => {
    await refused({ content: randomBytes(MAX_FILE_BYTES + 1) }, { status: 413, code: "file_too_large" });
  });

  it("is told of a quota that is full", async () => {
    const poor = await app.tenant();
    await setLimits(app.cloned.database, { tenantId: poor.id, limits: { bytes: 10_000, files: null }, actor: "system" });
    app.services.quotas.forget(poor.id);
    await refused({ content: TEXT }, { status: 413, code: "quota_exceeded", by: poor });
    expect((await send(app, poor, { content: TEXT.subarray(0, 9_000) })).status).toBe(201);
  });

  it("is told of a type that is not taken, whatever its name says", async () => {
    await refused({ content: PICTURE, name: "a.txt" }, { status: 415, code: "type_not_allowed" });
  });

  it("is told of bytes that are not those of the digest", async () => {
    const before = await files();
    const answer = await send(app, tenant, { content: TEXT, sha256: Buffer.alloc(32) });
    // tus has a status of its own for it.
    const expected = name.includes("uploads") ? [460, "checksum_mismatch"] : [400, "digest_mismatch"];
    expect([answer.status, (await answerOf(answer)).code]).toEqual(expected);
    await expect.poll(async () => (await files()).objects).toEqual(before.objects);
  });

  it("is told within two seconds of a store that is away, and when to come again", async () => {
    const before = await files();
    const temp = join(app.folder, "tmp");
    await rm(temp, { recursive: true });
    const began = performance.now();
    const answer = await send(app, tenant, { content: TEXT });
    expect(performance.now() - began).toBeLessThan(2_000);
    await mkdir(temp);
    expect([answer.status, (await answerOf(answer)).code]).toEqual([503, "unavailable"]);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    await expect.poll(async () => (await files()).objects).toEqual(before.objects);
    expect((await send(app, tenant, { content: TEXT })).status).toBe(201);
  });
});
