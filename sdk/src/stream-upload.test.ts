import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "./client.ts";

interface Received {
  readonly form: FormData | undefined;
}

/** A server that reads forms as browsers' counterparts do, and tells of each, or that it broke off. */
async function formServer(): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    void buffer(request)
      .then((body) => new Response(body, { headers: { "content-type": request.headers["content-type"] ?? "" } }).formData())
      .then(
        (form) => {
          received.push({ form });
          response.writeHead(202, { "content-type": "application/json" }).end('{"job_id":"job_1","status":"queued","files":[]}');
        },
        () => void received.push({ form: undefined }),
      );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}

const PIPELINE = { name: "small", steps: { small: { use: "image.resize", with: { width: 9 } } } };

test("a content is sent as it comes, with what is to be done with it before it", async () => {
  const { url, received } = await formServer();
  const name = 'a "quoted"; filename=x\r\né.png';
  async function* content() {
    yield Buffer.from("first ");
    yield Buffer.from("second");
  }
  const accepted = await connect({ url }).files.runStreamed(
    { name, content: content() },
    { pipeline: PIPELINE, metadata: { app: "test" }, params: { width: 1 } },
  );
  expect(accepted.job_id).toBe("job_1");
  const form = received[0]?.form;
  expect([...(form?.keys() ?? [])]).toEqual(["pipeline", "params", "metadata", "file"]);
  expect(JSON.parse(String(form?.get("pipeline")))).toEqual(PIPELINE);
  expect(JSON.parse(String(form?.get("metadata")))).toEqual({ app: "test" });
  const file = form?.get("file");
  expect(file).toBeInstanceOf(File);
  if (!(file instanceof File)) return;
  expect([file.name, await file.text()]).toEqual([name, "first second"]);
});

test("a content that breaks off is no whole form, and is not sent again", async () => {
  const { url, received } = await formServer();
  async function* content() {
    yield Buffer.from("first ");
    throw new Error("the source is gone");
  }
  const running = connect({ url }).files.runStreamed({ name: "a.png", content: content() }, { pipeline: "thumbnail-500" });
  await expect(running).rejects.toMatchObject({ code: "unreachable", status: 0 });
  await expect.poll(() => received).toEqual([{ form: undefined }]);
});
