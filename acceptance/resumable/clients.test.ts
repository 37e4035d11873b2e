import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { connect, type Client } from "@filemill/sdk/client.ts";
import { Upload } from "tus-js-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256 } from "../chaos/content.ts";
import { startSite, type Site } from "../chaos/site.ts";
import { openCuttingProxy } from "./cutting-proxy.ts";
import { tusUpload } from "./tus-upload.ts";
import { uppyUpload } from "./uppy-upload.ts";

/** The clients that people use, unchanged, against real API processes. */
let site: Site;
let client: Client;
let other: string;
beforeAll(async () => {
  site = await startSite();
  ({ url: other } = await site.startApi());
  client = connect({ url: site.url, key: site.key });
}, 120_000);
afterAll(() => site?.stop(), 60_000);

const RETRIES = Array.from({ length: 20 }, () => 100);

async function expectFile(id: string | undefined, content: Buffer): Promise<void> {
  expect(id).toMatch(/^file_/);
  const file = await client.files.get(id ?? "");
  expect(file).toMatchObject({ size: content.length, sha256: sha256(content) });
  const back = Buffer.from(await (await client.files.content(file.id)).arrayBuffer());
  expect(sha256(back)).toBe(sha256(content));
}

describe("tus-js-client", () => {
  test.each([
    ["the whole at once", {}],
    ["in chunks", { chunkBytes: 300_000 }],
    ["with its first bytes in the creation", { inCreation: true }],
    ["in parallel parts", { parallel: 3 }],
    ["in parallel parts of chunks", { parallel: 2, chunkBytes: 250_000 }],
  ])("uploads %s", async (_how, how) => {
    const content = randomBytes(1_500_000);
    const outcome = await tusUpload({ url: site.url, key: site.key, name: "a.bin", content, ...how });
    expect(outcome.error).toBeUndefined();
    await expectFile(outcome.fileId, content);
  });

  test.each([
    ["the whole at once", {}],
    ["in chunks", { chunkBytes: 400_000 }],
    ["in parallel parts", { parallel: 2 }],
  ])("goes on by itself after its connection was cut three times, %s", async (_how, how) => {
    const content = randomBytes(2_000_000);
    const proxy = await openCuttingProxy(site.url, [100_000, 300_000, 200_000]);
    const outcome = await tusUpload({ url: proxy.url, key: site.key, name: "cut.bin", content, retryDelaysMs: RETRIES, ...how });
    expect(outcome.error).toBeUndefined();
    expect(proxy.left()).toBe(0);
    await proxy.close();
    await expectFile(outcome.fileId, content);
  });

  test("aborts, and goes on through another API process", async () => {
    const content = randomBytes(2_000_000);
    const proxy = await openCuttingProxy(site.url, [700_000]);
    const cut = await tusUpload({ url: proxy.url, key: site.key, name: "moved.bin", content });
    await proxy.close();
    expect(cut.error).toBeDefined();
    const outcome = await tusUpload({ url: other, key: site.key, name: "moved.bin", content, begun: cut.path });
    expect(outcome.error).toBeUndefined();
    await expectFile(outcome.fileId, content);
  });

  test("uploads a stream whose length it does not know, and an empty file", async () => {
    const content = randomBytes(700_000);
    const fileId = await new Promise<string | undefined>((resolve, reject) => {
      let id: string | undefined;
      new Upload(Readable.from([content.subarray(0, 400_000), content.subarray(400_000)], { objectMode: false }), {
        endpoint: `${site.url}/api/v1/uploads`,
        headers: { authorization: `Bearer ${site.key}` },
        metadata: { filename: "stream.bin" },
        uploadLengthDeferred: true,
        chunkSize: 200_000,
        retryDelays: null,
        onAfterResponse: (_request, response) => void (id = response.getHeader("filemill-file-id") ?? id),
        onSuccess: () => resolve(id),
        onError: reject,
      }).start();
    });
    await expectFile(fileId, content);
    const empty = await tusUpload({ url: site.url, key: site.key, name: "empty", content: Buffer.alloc(0) });
    await expectFile(empty.fileId, Buffer.alloc(0));
  });

  test("starts a pipeline by its metadata", async () => {
    const content = Buffer.from("one two three\n");
    const pipeline = '{"name":"tus-count","steps":{"stats":{"use":"text.stats"}}}';
    const outcome = await tusUpload({
      url: site.url,
      key: site.key,
      name: "a.txt",
      content,
      metadata: { pipeline, metadata: '{"from":"tus"}' },
    });
    expect(outcome.error).toBeUndefined();
    const job = await client.jobs.get(outcome.jobId ?? "");
    expect(job).toMatchObject({ pipeline: { name: "tus-count" }, metadata: { from: "tus" } });
  });
});

describe("Uppy", () => {
  test("uploads two files through its tus plugin, over connections that are cut", async () => {
    const contents = [randomBytes(900_000), randomBytes(1_200_000)];
    const proxy = await openCuttingProxy(site.url, [400_000, 500_000, 100_000]);
    const failed = await uppyUpload({ url: proxy.url, key: site.key, retryDelaysMs: RETRIES, contents, meta: { from: "uppy" } });
    expect(failed).toEqual([]);
    expect(proxy.left()).toBe(0);
    await proxy.close();
    const files = await Array.fromAsync(client.files.list({ metadata: { from: "uppy" } }));
    expect(files.map(({ name }) => name).toSorted()).toEqual(["uppy-0.bin", "uppy-1.bin"]);
    for (const file of files) await expectFile(file.id, contents[file.name === "uppy-0.bin" ? 0 : 1] ?? Buffer.alloc(0));
  });
});
