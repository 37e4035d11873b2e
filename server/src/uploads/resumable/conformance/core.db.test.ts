import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestApp, type TestApp, type TestTenant } from "../../../../test/test-app.ts";
import { cutAfter, isLocked, tusAt, type Tus } from "../../../../test/tus.ts";

let app: TestApp;
let tenant: TestTenant;
let tus: Tus;
beforeAll(async () => {
  app = await startTestApp({ limits: { maxFileBytes: 10_000_000 } });
  tenant = await app.tenant();
  tus = tusAt(app.url, tenant.key);
});
afterAll(() => app.close());

async function begin(length = 10): Promise<string> {
  const { url, status } = await tus.create({ "upload-length": String(length) });
  expect(status).toBe(201);
  return url;
}

describe("tus core: headers", () => {
  it("every answer has Tus-Resumable, refusals too", async () => {
    const url = await begin();
    const answers = [
      await tus.send("OPTIONS", "/api/v1/uploads"),
      await tus.head(url),
      await tus.patch(url, 7, Buffer.from("x")),
      await tus.patch(url, 0, Buffer.from("0123456789")),
      await tus.send("DELETE", url),
      await tus.head(url),
      await tus.create({}),
      await tus.send("GET", `${url}0`),
    ];
    for (const { headers } of answers) expect(headers["tus-resumable"]).toBe("1.0.0");
  });

  it("an id that can't be one is refused or not there, to every verb", async () => {
    for (const method of ["HEAD", "PATCH", "DELETE", "GET"]) {
      for (const [id, status] of [
        ["a%00b", 400],
        ["a".repeat(3_000), 404],
        ["upl_%F0%9F%92%A3", 404],
      ] as const) {
        const headers = { "content-type": "application/offset+octet-stream", "upload-offset": "0" };
        expect((await tus.send(method, `/api/v1/uploads/${id}`, headers)).status, `${method} ${id}`).toBe(status);
      }
    }
  });

  it("another version is refused with 412 and Tus-Version, and nothing is done", async () => {
    const url = await begin();
    for (const version of ["0.2.2", "1.0.1", "2.0.0", ""]) {
      const refused = await tus.patch(url, 0, Buffer.from("0123456789"), { "tus-resumable": version });
      expect(refused).toMatchObject({ status: 412, headers: { "tus-version": "1.0.0" }, body: { code: "precondition_failed" } });
      expect(await tus.create({ "upload-length": "1", "tus-resumable": version })).toMatchObject({
        status: 412,
        headers: { "tus-version": "1.0.0" },
      });
    }
    expect((await tus.head(url)).headers["upload-offset"]).toBe("0");
  });

  it("X-HTTP-Method-Override is the method, whatever the real one is", async () => {
    const url = await begin();
    const headers = { "content-type": "application/offset+octet-stream", "upload-offset": "0", "x-http-method-override": "PATCH" };
    expect(await tus.send("POST", url, headers, "01234")).toMatchObject({ status: 204, headers: { "upload-offset": "5" } });
    expect(await tus.send("POST", url, { "x-http-method-override": "HEAD" })).toMatchObject({
      status: 200,
      headers: { "upload-offset": "5" },
    });
    expect(await tus.send("PUT", url, { "x-http-method-override": "DELETE" })).toMatchObject({ status: 204 });
    expect((await tus.head(url)).status).toBe(410);
  });

  it("the method that is meant needs the role that it needs", async () => {
    const url = await begin();
    const reader = tusAt(app.url, await tenant.keyWithRole("read-only"));
    expect((await reader.send("GET", url, { "x-http-method-override": "DELETE" })).status).toBe(403);
    expect((await tus.head(url)).status).toBe(200);
  });

  it.each(["-1", "1.5", "0x10", "1e3", "", " ", "99999999999999999", "abc", "1,2"])("Upload-Offset %j is refused", async (offset) => {
    const url = await begin();
    const refused = await tus.send("PATCH", url, { "content-type": "application/offset+octet-stream", "upload-offset": offset }, "01234");
    expect(refused).toMatchObject({ status: 400, body: { code: "validation_failed" } });
    expect((await tus.head(url)).headers["upload-offset"]).toBe("0");
  });

  it("a PATCH without Upload-Offset is refused", async () => {
    const refused = await tus.send("PATCH", await begin(), { "content-type": "application/offset+octet-stream" }, "01234");
    expect(refused).toMatchObject({ status: 400, body: { code: "validation_failed" } });
  });
});

describe("tus core: HEAD", () => {
  it("says Upload-Offset and Upload-Length, at 0, in the middle and when complete", async () => {
    const url = await begin();
    expect(await tus.head(url)).toMatchObject({ status: 200, headers: { "upload-offset": "0", "upload-length": "10" } });
    await tus.patch(url, 0, Buffer.from("01234"));
    expect(await tus.head(url)).toMatchObject({ status: 200, headers: { "upload-offset": "5", "upload-length": "10" } });
    await tus.patch(url, 5, Buffer.from("56789"));
    expect(await tus.head(url)).toMatchObject({ status: 200, headers: { "upload-offset": "10", "upload-length": "10" } });
  });

  it("may not be cached", async () => {
    expect((await tus.head(await begin())).headers["cache-control"]).toBe("no-store");
  });

  it("of what is not there is 404 without Upload-Offset", async () => {
    for (const id of ["upl_00000000000000000000000000", "upl_x", "job_00000000000000000000000000", "..%2f..%2fetc"]) {
      const answer = await tus.head(`/api/v1/uploads/${id}`);
      expect(answer.status).toBe(404);
      expect(answer.headers["upload-offset"]).toBeUndefined();
    }
  });
});

describe("tus core: PATCH", () => {
  it("is answered with 204 and the new offset, the sum of the old one and what came", async () => {
    const url = await begin();
    expect(await tus.patch(url, 0, Buffer.from("0123"))).toMatchObject({ status: 204, headers: { "upload-offset": "4" } });
    expect(await tus.patch(url, 4, Buffer.alloc(0))).toMatchObject({ status: 204, headers: { "upload-offset": "4" } });
    expect(await tus.patch(url, 4, Buffer.from("45"))).toMatchObject({ status: 204, headers: { "upload-offset": "6" } });
    expect(await tus.patch(url, 6, Buffer.from("6789"))).toMatchObject({ status: 204, headers: { "upload-offset": "10" } });
  });

  it("with another Content-Type is refused with 415", async () => {
    const url = await begin();
    for (const type of ["application/octet-stream", "application/json", "text/plain"]) {
      const refused = await tus.send("PATCH", url, { "content-type": type, "upload-offset": "0" }, "01234");
      expect(refused).toMatchObject({ status: 415, body: { code: "type_not_allowed" } });
    }
    expect((await tus.send("PATCH", url, { "upload-offset": "0" }, "01234")).status).toBe(415);
    expect((await tus.head(url)).headers["upload-offset"]).toBe("0");
  });

  it("at another offset is refused with 409, and changes nothing", async () => {
    const url = await begin();
    await tus.patch(url, 0, Buffer.from("01234"));
    for (const offset of [0, 4, 6, 10, 1_000]) {
      expect(await tus.patch(url, offset, Buffer.from("x"))).toMatchObject({ status: 409, body: { code: "offset_mismatch" } });
    }
    expect(await tus.patch(url, 5, Buffer.from("56789"))).toMatchObject({ status: 204 });
  });

  it("to what is not there is 404", async () => {
    expect(await tus.patch("/api/v1/uploads/upl_00000000000000000000000000", 0, Buffer.from("x"))).toMatchObject({ status: 404 });
  });

  it("that is cut off keeps what came", async () => {
    const content = randomBytes(300_000);
    const url = await begin(content.length);
    await cutAfter(tus.open(url, 0, { "content-length": String(content.length) }), content.subarray(0, 200_000), () =>
      isLocked(app.services.database, url),
    );
    const after = await tus.head(url);
    const offset = Number(after.headers["upload-offset"]);
    expect(offset).toBeGreaterThan(0);
    const last = await tus.patch(url, offset, content.subarray(offset));
    expect(last).toMatchObject({ status: 204, headers: { "upload-offset": "300000" } });
    const back = Buffer.from(await (await tenant.fetch(`/files/${String(last.headers["filemill-file-id"])}/content`)).arrayBuffer());
    expect(back.equals(content)).toBe(true);
  });

  it("on a connection that falls silent is closed, and keeps what came", async () => {
    const impatient = await startTestApp({ options: { idleTimeoutMs: 4_000 } });
    try {
      const { key } = await impatient.tenant();
      const there = tusAt(impatient.url, key);
      const { url } = await there.create({ "upload-length": "100000" });
      const { request } = there.open(url, 0, { "content-length": "100000" });
      const closed = new Promise((resolve) => void request.on("error", () => undefined).once("close", resolve));
      request.write(randomBytes(60_000));
      await closed;
      expect((await there.head(url)).headers["upload-offset"]).toBe("60000");
    } finally {
      await impatient.close();
    }
  });

  it("in pieces without Content-Length is taken as it comes", async () => {
    const url = await begin(6);
    const { request, answer } = tus.open(url, 0);
    for (const piece of ["01", "23", "45"]) request.write(piece);
    request.end();
    expect(await answer).toMatchObject({ status: 204, headers: { "upload-offset": "6" } });
  });
});

describe("tus core: OPTIONS", () => {
  it("says versions, extensions, the largest size and checksum algorithms, whatever Tus-Resumable says", async () => {
    for (const version of ["1.0.0", "0.2.1"]) {
      expect(await tus.send("OPTIONS", "/api/v1/uploads", { "tus-resumable": version })).toMatchObject({
        status: 204,
        headers: {
          "tus-version": "1.0.0",
          "tus-extension": "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation",
          "tus-max-size": "10000000",
          "tus-checksum-algorithm": "sha1,md5,sha256,crc32",
        },
      });
    }
  });
});
