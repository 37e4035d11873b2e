import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keptBy } from "../../test/kept.ts";
import { startTestApp, type TestApp, type TestTenant } from "../../test/test-app.ts";

const MAX_FILE_BYTES = 3_000_000;
const B = "xyz";
const part = (headers: string, content: string) => `--${B}\r\n${headers}\r\n\r\n${content}\r\n`;
const FILE = 'Content-Disposition: form-data; name="file"; filename="a.txt"';
const LARGE = "y".repeat(100_000);

let app: TestApp;
let tenant: TestTenant;
beforeAll(async () => {
  app = await startTestApp({ limits: { maxFileBytes: MAX_FILE_BYTES } });
  tenant = await app.tenant();
});
afterAll(() => app.close());

const kept = () => keptBy(app);

/** Sends bytes as they are and gives everything that comes back until the other side closes, or `until` is seen. */
async function raw(bytes: readonly string[], until?: RegExp): Promise<string> {
  const socket = connect(Number(new URL(app.url).port), "127.0.0.1");
  let seen = "";
  const done = new Promise<void>((resolve, reject) => {
    socket.on("data", (chunk) => {
      seen += chunk.toString("latin1");
      if (until?.test(seen)) resolve();
    });
    socket.on("close", () => resolve());
    socket.on("error", reject);
  });
  for (const chunk of bytes) socket.write(chunk);
  await done;
  socket.destroy();
  return seen;
}

const head = (line: string, ...headers: string[]) =>
  `${[`${line} HTTP/1.1`, "Host: x", `Authorization: Bearer ${tenant.key}`, ...headers].join("\r\n")}\r\n\r\n`;

describe("hostile framing", () => {
  it("refuses Content-Length beside Transfer-Encoding", async () => {
    const seen = await raw([`${head("PUT /api/v1/files/a", "Content-Length: 5", "Transfer-Encoding: chunked")}0\r\n\r\n`]);
    expect(seen).toMatch(/^HTTP\/1\.1 400 /);
  });

  it("refuses a bad chunk size", async () => {
    const before = await kept();
    const seen = await raw([`${head("PUT /api/v1/files/a", "Transfer-Encoding: chunked")}zz\r\nhello\r\n0\r\n\r\n`]);
    expect(seen).toMatch(/^HTTP\/1\.1 400 /);
    expect(await kept()).toEqual(before);
  });

  it("leaves nothing of a client that goes away in the middle", async () => {
    const before = await kept();
    const socket = connect(Number(new URL(app.url).port), "127.0.0.1");
    socket.write(`${head("PUT /api/v1/files/a", "Content-Length: 2000000")}${"y".repeat(300_000)}`);
    await expect.poll(() => readdir(join(app.folder, "tmp"))).toHaveLength(1);
    socket.destroy();
    await expect.poll(kept).toEqual(before);
  });

  it("leaves nothing of a form whose client goes away behind a part's headers", async () => {
    const before = await kept();
    const socket = connect(Number(new URL(app.url).port), "127.0.0.1");
    socket.write(
      `${head("POST /api/v1/files", `Content-Type: multipart/form-data; boundary=${B}`, "Content-Length: 2000000")}${part(FILE, LARGE)}--${B}\r\n${FILE}\r\n\r\n`,
    );
    await expect.poll(async () => (await kept()).objects.length).toBe(before.objects.length + 1);
    socket.destroy();
    await expect.poll(kept).toEqual(before);
  });

  it("refuses by Content-Length before the body is asked for", async () => {
    const seen = await raw([head("PUT /api/v1/files/a", `Content-Length: ${MAX_FILE_BYTES + 1}`, "Expect: 100-continue")]);
    expect(seen).toMatch(/^HTTP\/1\.1 413 /);
    expect(seen).not.toContain("100 Continue");
    expect(seen).toMatch(/connection: close/i);
  });

  it("asks for the body where it is wanted", async () => {
    const seen = await raw([head("PUT /api/v1/files/a", "Content-Length: 2", "Expect: 100-continue"), "ab"], /"files"/);
    expect(seen).toMatch(/^HTTP\/1\.1 100 Continue[^]*HTTP\/1\.1 201 /);
  });

  it("does not ask a stranger for the body", async () => {
    const seen = await raw(["PUT /api/v1/files/a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"]);
    expect(seen).toMatch(/^HTTP\/1\.1 401 /);
    expect(seen).not.toContain("100 Continue");
  });

  it("lets a client read the refusal while it still sends", async () => {
    const before = await kept();
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue(randomBytes(100_000));
        if (++sent === 80) controller.close();
      },
    });
    let sent = 0;
    const response = await tenant.fetch("/files/a", { method: "PUT", body, duplex: "half" } as RequestInit);
    expect(response.status).toBe(413);
    expect(await response.text()).toContain("file_too_large");
    expect(await kept()).toEqual(before);
  });
});
