import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { request as ask } from "node:http";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keptBy } from "../../../test/kept.ts";
import { startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";

let app: TestApp;
let tenant: TestTenant;
beforeAll(async () => {
  app = await startTestApp();
  tenant = await app.tenant();
});
afterAll(() => app.close());

const SMALL = Buffer.from("one, two, three");
/** Of several chunks, and larger than what is kept in a row. */
const LARGE = randomBytes(300_000);

const digest = (content: Buffer, algorithm: "sha-256" | "sha-512") =>
  `${algorithm}=:${createHash(algorithm.replace("-", "")).update(content).digest("base64")}:`;

/** The status and the code of the answer, and that a refusal left nothing. */
async function outcome(send: () => Promise<{ status: number; body: string }>): Promise<[number, string | undefined]> {
  const before = await keptBy(app);
  const { status, body } = await send();
  if (status >= 400) expect(await keptBy(app)).toEqual(before);
  return [status, (JSON.parse(body) as { code?: string }).code];
}

function put(content: Buffer, headers: Record<string, string>): Promise<[number, string | undefined]> {
  return outcome(async () => {
    const response = await tenant.fetch("/files/a.bin", { method: "PUT", body: new Uint8Array(content), headers });
    return { status: response.status, body: await response.text() };
  });
}

describe.each([
  ["a small file", SMALL],
  ["a large file", LARGE],
])("%s", (_what, content) => {
  test.each(["sha-256", "sha-512"] as const)("is stored with its %s, in either field", async (algorithm) => {
    expect(await put(content, { "content-digest": digest(content, algorithm) })).toEqual([201, undefined]);
    expect(await put(content, { "repr-digest": digest(content, algorithm) })).toEqual([201, undefined]);
    expect(await put(content, { "repr-digest": `md5=:AAAA:, ${digest(content, algorithm)}` })).toEqual([201, undefined]);
  });

  test.each(["sha-256", "sha-512"] as const)("is not stored with another's %s, or a malformed one", async (algorithm) => {
    const wrong = digest(Buffer.from("other"), algorithm);
    expect(await put(content, { "content-digest": wrong })).toEqual([400, "digest_mismatch"]);
    expect(await put(content, { "repr-digest": wrong })).toEqual([400, "digest_mismatch"]);
    expect(await put(content, { "content-digest": `${algorithm}=abc` })).toEqual([400, "validation_failed"]);
  });

  test("is stored where what is claimed is unknown here", async () => {
    expect(await put(content, { "content-digest": "md5=:AAAA:, crc32c=:AAAAAA==:" })).toEqual([201, undefined]);
  });

  describe("with the digest behind it", () => {
    const putWithTrailer = (fields: Record<string, string>, announce: Record<string, string>) =>
      outcome(async () => {
        const request = ask(`${app.url}/api/v1/files/t.bin`, {
          method: "PUT",
          headers: { authorization: `Bearer ${tenant.key}`, ...announce },
        });
        request.write(content.subarray(0, 5));
        request.addTrailers(fields);
        request.end(content.subarray(5));
        const [response] = await once(request, "response");
        return { status: response.statusCode, body: await text(response) };
      });

    test.each(["sha-256", "sha-512"] as const)("announced, %s", async (algorithm) => {
      const announce = { trailer: "Content-Digest", "transfer-encoding": "chunked" };
      expect(await putWithTrailer({ "content-digest": digest(content, algorithm) }, announce)).toEqual([201, undefined]);
      expect(await putWithTrailer({ "content-digest": digest(SMALL.subarray(1), algorithm) }, announce)).toEqual([400, "digest_mismatch"]);
      expect(await putWithTrailer({ "content-digest": "x=" }, announce)).toEqual([400, "validation_failed"]);
    });

    test("not announced", async () => {
      const chunked = { "transfer-encoding": "chunked" };
      expect(await putWithTrailer({ "repr-digest": digest(content, "sha-256") }, chunked)).toEqual([201, undefined]);
      expect(await putWithTrailer({ "repr-digest": digest(SMALL.subarray(1), "sha-256") }, chunked)).toEqual([400, "digest_mismatch"]);
      expect(await putWithTrailer({ "repr-digest": digest(content, "sha-512") }, chunked)).toEqual([400, "validation_failed"]);
    });
  });

  describe("as a part", () => {
    const post = (headers: string[]) =>
      outcome(async () => {
        const part = (name: string, fields: string[], bytes: Buffer): Buffer[] => [
          Buffer.from(["--b", `Content-Disposition: form-data; name="file"; filename="${name}"`, ...fields, "", ""].join("\r\n")),
          bytes,
          Buffer.from("\r\n"),
        ];
        const parts = [
          ...part("plain", [], SMALL),
          ...part("checked", headers, content),
          ...part("plain too", [], LARGE),
          Buffer.from("--b--\r\n"),
        ];
        const body = new Uint8Array(Buffer.concat(parts));
        const response = await tenant.fetch("/files", {
          method: "POST",
          body,
          headers: { "content-type": "multipart/form-data; boundary=b" },
        });
        return { status: response.status, body: await response.text() };
      });

    test("the headers of the form are checked over all of its body", async () => {
      const body = Buffer.concat([
        Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'),
        content,
        Buffer.from("\r\n--b--\r\nepilogue"),
      ]);
      const send = (fields: Record<string, string>) =>
        outcome(async () => {
          const headers = { "content-type": "multipart/form-data; boundary=b", ...fields };
          const response = await tenant.fetch("/files", { method: "POST", body: new Uint8Array(body), headers });
          return { status: response.status, body: await response.text() };
        });
      expect(await send({ "content-digest": digest(body, "sha-512") })).toEqual([201, undefined]);
      expect(await send({ "content-digest": digest(body, "sha-256") })).toEqual([201, undefined]);
      expect(await send({ "content-digest": digest(content, "sha-256") })).toEqual([400, "digest_mismatch"]);
      expect(await send({ "repr-digest": "sha-256=1" })).toEqual([400, "validation_failed"]);
    });

    test("its own headers are checked, and the others' are theirs", async () => {
      expect(await post([`Content-Digest: ${digest(content, "sha-512")}`])).toEqual([201, undefined]);
      expect(await post([`content-digest: md5=:AAAA:`, `Content-Digest: ${digest(content, "sha-256")}`])).toEqual([201, undefined]);
      expect(await post([`Repr-Digest: ${digest(Buffer.from("other"), "sha-256")}`])).toEqual([400, "digest_mismatch"]);
      expect(await post(["Content-Digest: sha-256=:AAAA:"])).toEqual([400, "validation_failed"]);
    });
  });
});
