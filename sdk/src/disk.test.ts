import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connect } from "./client.ts";
import { download, sha256OfFile, uploadFromDisk } from "./disk.ts";

let folder: string;
let server: Server;
const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 251));
const SHA256 = createHash("sha256").update(CONTENT).digest("hex");
const FILE = { id: "file_1", size: CONTENT.length, sha256: SHA256 };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-sdk-"));
  server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

test("a file is sent with its length and its bytes are counted on the way", async () => {
  const path = join(folder, "größe.bin");
  await writeFile(path, CONTENT);
  const received: Buffer[] = [];
  let length: string | undefined;
  let target: string | undefined;
  server.on("request", async (request, response) => {
    length = request.headers["content-length"];
    target = request.url;
    for await (const chunk of request) received.push(chunk);
    response.writeHead(201).end(JSON.stringify({ files: [FILE] }));
  });
  let counted = 0;
  const upload = await uploadFromDisk(path, { onBytes: (bytes) => (counted += bytes) });
  await connect({ url: url() }).files.put(upload);
  expect(length).toBe("300000");
  expect(target).toBe("/api/v1/files/gr%C3%B6%C3%9Fe.bin");
  expect(Buffer.concat(received).equals(CONTENT)).toBe(true);
  expect(counted).toBe(300_000);
});

test("what a file hashes to is sent along", async () => {
  const path = join(folder, "a.bin");
  await writeFile(path, CONTENT);
  let digest: unknown;
  server.on("request", async (request, response) => {
    digest = request.headers["repr-digest"];
    for await (const _chunk of request);
    response.writeHead(201).end(JSON.stringify({ files: [FILE] }));
  });
  expect(await sha256OfFile(path)).toBe(SHA256);
  await connect({ url: url() }).files.put({ ...(await uploadFromDisk(path)), sha256: SHA256 });
  expect(digest).toBe(`sha-256=:${createHash("sha256").update(CONTENT).digest("base64")}:`);
});

test("a download that breaks is continued behind its last byte and stays whole", async () => {
  const ranges: (string | undefined)[] = [];
  server.on("request", (request, response) => {
    ranges.push(request.headers.range);
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    response.writeHead(start > 0 ? 206 : 200, { "content-length": CONTENT.length - start });
    if (ranges.length === 1) response.write(CONTENT.subarray(0, 100_000), () => setImmediate(() => response.destroy()));
    else response.end(CONTENT.subarray(start));
  });
  const path = join(folder, "deep", "copy.bin");
  await download(connect({ url: url() }), FILE, path);
  expect(ranges.length).toBeGreaterThan(1);
  expect((await readFile(path)).equals(CONTENT)).toBe(true);
});

test("a damaged download is refused and leaves nothing behind", async () => {
  server.on("request", (_request, response) => response.end(Buffer.concat([CONTENT.subarray(1), Buffer.from([1])])));
  await expect(download(connect({ url: url() }), FILE, join(folder, "copy.bin"))).rejects.toMatchObject({ code: "digest_mismatch" });
  expect(await readdir(folder)).toEqual([]);
});
