import { createHash, randomBytes } from "node:crypto";
import { encodeId, decodeId } from "@filemill/contract/ids.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { isLocked, tusAt, type Tus } from "../../../test/tus.ts";
import { sql } from "../../db/sql.ts";
import { buildApp } from "../../http/app.ts";
import { createLocks } from "./locks.ts";
import { recordProgress } from "./progress-rows.ts";

/** Two API processes in front of one database and one store: all that they share is rows. */
let app: TestApp;
let other: Awaited<ReturnType<typeof buildApp>>;
let tenant: TestTenant;
let here: Tus;
let there: Tus;
beforeAll(async () => {
  app = await startTestApp();
  other = await buildApp(app.services);
  const otherUrl = await other.listen({ host: "127.0.0.1", port: 0 });
  tenant = await app.tenant();
  here = tusAt(app.url, tenant.key);
  there = tusAt(otherUrl, tenant.key);
});
afterAll(async () => {
  await other.close();
  await app.close();
});

const begin = async (length: number) => (await here.create({ "upload-length": String(length) })).url;
const idIn = (url: string) => decodeId("upload", url.slice(url.lastIndexOf("/") + 1)) ?? "";

async function offsetOf(url: string): Promise<number> {
  const [row] = await app.services.database.asSystem((transaction) =>
    transaction.query<{ offset: number }>(sql`SELECT upload_offset AS "offset" FROM uploads WHERE id = ${idIn(url)}::uuid`),
  );
  return row?.offset ?? -1;
}

async function expectFile(id: unknown, content: Buffer): Promise<void> {
  const back = Buffer.from(await (await tenant.fetch(`/files/${String(id)}/content`)).arrayBuffer());
  expect(createHash("sha256").update(back).digest("hex")).toBe(createHash("sha256").update(content).digest("hex"));
}

describe("the lock of an upload", () => {
  it("lets one of ten PATCHes at once through, over two processes", async () => {
    const content = randomBytes(50_000);
    const url = await begin(content.length);
    const answers = await Promise.all(Array.from({ length: 10 }, (_unused, index) => (index % 2 ? here : there).patch(url, 0, content)));
    const statuses = answers.map(({ status }) => status).toSorted();
    expect(statuses.filter((status) => status === 204)).toHaveLength(1);
    for (const status of statuses) expect([204, 409, 423, 413]).toContain(status);
    const files = new Set(answers.flatMap(({ headers }) => headers["filemill-file-id"] ?? []));
    expect(files.size).toBe(1);
    await expectFile([...files][0], content);
  });

  it("is let go by a request that is silent, with what it was sent, when another process asks", async () => {
    const content = randomBytes(400_000);
    const url = await begin(content.length);
    const silent = here.open(url, 0, { "content-length": String(content.length) });
    await new Promise((resolve) => void silent.request.write(content.subarray(0, 100_000), resolve));
    await expect.poll(() => isLocked(app.services.database, url)).toBe(true);
    const looked = await there.head(url);
    expect(looked).toMatchObject({ status: 200, headers: { "upload-offset": "100000" } });
    expect(await silent.answer).toMatchObject({ status: 423, body: { code: "upload_locked" } });
    const last = await there.patch(url, 100_000, content.subarray(100_000));
    expect(last.status).toBe(204);
    await expectFile(last.headers["filemill-file-id"], content);
  });

  it("is let go by a request that goes on sending, after a while", async () => {
    const url = await begin(100_000_000);
    const busy = here.open(url, 0, { "content-length": "100000000" });
    busy.request.on("error", () => undefined);
    const timer = setInterval(() => busy.request.write(randomBytes(1_000)), 20);
    try {
      await expect.poll(() => isLocked(app.services.database, url)).toBe(true);
      const looked = await there.head(url);
      expect(looked.status).toBe(200);
      expect(Number(looked.headers["upload-offset"])).toBeGreaterThan(0);
      expect(Number(looked.headers["upload-offset"])).toBe(await offsetOf(url));
      expect((await busy.answer).status).toBe(423);
    } finally {
      clearInterval(timer);
      busy.request.destroy();
    }
  });

  it(
    "of a process that stands still is taken when its lease has ended, and what it does then does not count",
    { timeout: 20_000 },
    async () => {
      const url = await begin(10);
      const frozen = createLocks({
        database: {
          ...app.services.database,
          asSystem: () => new Promise(() => {}),
        },
      });
      const held = await frozen.take({ tenantId: tenant.id, id: idIn(url) });
      if (!held.held) throw new Error("the lock was not to be had");
      expect((await here.patch(url, 0, Buffer.from("x"))).status).toBe(423);
      let answer = await there.patch(url, 0, Buffer.from("0123"));
      while (answer.status === 423) answer = await there.patch(url, 0, Buffer.from("0123"));
      expect(answer).toMatchObject({ status: 204, headers: { "upload-offset": "4" } });
      const segment = { objectId: idIn(url), store: "disk", key: `${tenant.id}/${idIn(url)}/1/0`, sizeBytes: 3 };
      const progress = { segments: [segment], first: 0, length: undefined, hash: undefined, expiryMs: 1_000 };
      const late = app.services.database.asTenant(tenant.id, (transaction) => recordProgress(transaction, held.fence, progress));
      await expect(late).rejects.toMatchObject({ code: "upload_locked" });
      expect(await offsetOf(url)).toBe(4);
    },
  );

  it("is let go when the process ends, with what was sent", async () => {
    const ending = await buildApp(app.services);
    const tus = tusAt(await ending.listen({ host: "127.0.0.1", port: 0 }), tenant.key);
    const url = await begin(200_000);
    const open = tus.open(url, 0, { "content-length": "200000" });
    open.request.on("error", () => undefined);
    await new Promise((resolve) => void open.request.write(Buffer.alloc(80_000), resolve));
    await expect.poll(() => isLocked(app.services.database, url)).toBe(true);
    const closed = ending.close();
    expect((await open.answer).status).toBe(423);
    await closed;
    expect((await here.head(url)).headers["upload-offset"]).toBe("80000");
  });
});

describe("an upload of another tenant", () => {
  it("answers exactly as one that is not there, to every verb", async () => {
    const url = await begin(10);
    const stranger = tusAt(app.url, (await app.tenant("admin")).key);
    const absent = `/api/v1/uploads/${encodeId("upload", "01900000-0000-7000-8000-000000000000")}`;
    for (const method of ["HEAD", "PATCH", "DELETE", "GET"]) {
      const headers = { "content-type": "application/offset+octet-stream", "upload-offset": "0" };
      const [foreign, none] = [await stranger.send(method, url, headers), await stranger.send(method, absent, headers)];
      const shape = ({ status, headers: got, body }: typeof foreign, path: string) => ({
        status,
        headers: Object.keys(got).toSorted(),
        body: { ...body, instance: undefined, detail: String(body.detail).replace(path.slice(path.lastIndexOf("/") + 1), "ID") },
      });
      expect(shape(foreign, url), method).toEqual(shape(none, absent));
      expect(foreign.status).toBe(404);
    }
    expect((await here.head(url)).headers["upload-offset"]).toBe("0");
  });
});
