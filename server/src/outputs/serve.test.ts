import { randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { Readable } from "node:stream";
import { beforeAll, describe, expect, it } from "vitest";
import { createMemoryStore } from "../../test/memory-store.ts";
import { contentsIn } from "../../test/contents-in.ts";
import type { ContentStore } from "../storage/content-store.ts";
import { parseRange } from "./byte-range.ts";
import type { FileManifest } from "./content.ts";
import { serveContent } from "./serve.ts";

const SIZES = [10, 7, 3];
const content = randomBytes(20);
const etag = `"${"ab".repeat(32)}"`;
const DIGEST = `sha-256=:${Buffer.from("ab".repeat(32), "hex").toString("base64")}:`;

let contents: ContentStore;
let manifest: FileManifest;
beforeAll(async () => {
  const store = createMemoryStore();
  contents = contentsIn(store);
  let offset = 0;
  const segments = [];
  for (const [index, sizeBytes] of SIZES.entries()) {
    const key = `t/f/0/${index}`;
    await store.put(key, Readable.from([content.subarray(offset, offset + sizeBytes)]));
    segments.push({ store: "memory", key, sizeBytes });
    offset += sizeBytes;
  }
  const sha256 = Buffer.from("ab".repeat(32), "hex");
  manifest = {
    ...{ id: "f", tenantId: "t", name: "photo.png", sizeBytes: 20, sha256, mediaType: "image/png" },
    ...{ origin: "upload", inline: null, segments, createdAt: new Date("2026-11-22T00:00:00.250Z") },
  };
});

async function get(headers: Record<string, string> = {}, of: FileManifest = manifest, method = "GET") {
  const served = await serveContent(of, contents, { method, headers });
  return { ...served, body: served.body && (await buffer(served.body)) };
}

describe("ranges", () => {
  it("gives every range of a file of several segments, as of an inline one", async () => {
    const inline = { ...manifest, inline: content, segments: [] };
    for (let start = 0; start < 20; start++) {
      for (let end = start; end < 20; end++) {
        const expected = content.subarray(start, end + 1);
        for (const of of [manifest, inline])
          expect((await buffer(await contents.read(of, { range: { start, end } }))).equals(expected)).toBe(true);
      }
    }
  });

  it.each([
    ["bytes=0-0", { start: 0, end: 0 }],
    ["bytes=5-", { start: 5, end: 19 }],
    ["bytes=5-999", { start: 5, end: 19 }],
    ["bytes=-5", { start: 15, end: 19 }],
    ["bytes=-999", { start: 0, end: 19 }],
    ["BYTES= 1-2 ", { start: 1, end: 2 }],
    ["bytes=20-", "none"],
    ["bytes=20-30", "none"],
    ["bytes=-0", "none"],
    ["bytes=99999999999999999999-", "none"],
    ["bytes=5-4", "whole"],
    ["bytes=-", "whole"],
    ["bytes=a-b", "whole"],
    ["bytes=0-1,3-4", "whole"],
    ["lines=0-1", "whole"],
    ["bytes 0-1", "whole"],
    [undefined, "whole"],
  ])("reads %j", (header, expected) => {
    expect(parseRange(header, 20)).toEqual(expected);
  });

  it("has no range in an empty file", () => {
    expect(parseRange("bytes=0-", 0)).toBe("none");
    expect(parseRange("bytes=-1", 0)).toBe("none");
  });
});

describe("serving a file", () => {
  it("sends the whole as an inert attachment", async () => {
    expect(await get()).toEqual({
      status: 200,
      body: content,
      headers: {
        etag,
        "accept-ranges": "bytes",
        "cache-control": "private, no-store",
        "content-disposition": "attachment; filename=photo.png",
        "content-length": "20",
        "content-security-policy": "default-src 'none'; sandbox",
        "content-type": "image/png",
        "cross-origin-resource-policy": "same-origin",
        "last-modified": "Sun, 22 Nov 2026 00:00:00 GMT",
        "referrer-policy": "no-referrer",
        "repr-digest": DIGEST,
        "x-content-type-options": "nosniff",
      },
    });
  });

  it("sends a part", async () => {
    const { status, headers, body } = await get({ range: "bytes=8-11" });
    expect({ status, range: headers["content-range"], length: headers["content-length"] }).toEqual({
      status: 206,
      range: "bytes 8-11/20",
      length: "4",
    });
    expect(body).toEqual(content.subarray(8, 12));
  });

  it("says how long the file is where nothing of the range lies in it", async () => {
    expect(await get({ range: "bytes=20-" })).toMatchObject({ status: 416, headers: { "content-range": "bytes */20" }, body: undefined });
  });

  it("sends headers only for HEAD, and takes no range there", async () => {
    const { status, headers, body } = await get({ range: "bytes=0-1" }, manifest, "HEAD");
    expect({ status, length: headers["content-length"], body }).toEqual({ status: 200, length: "20", body: undefined });
  });

  it.each([[etag], [`W/${etag}`], [`"x", ${etag}`], ["*"]])("answers 304 to If-None-Match: %s, before any range", async (header) => {
    expect(await get({ "if-none-match": header, range: "bytes=0-1" })).toMatchObject({ status: 304, body: undefined });
  });

  it.each([
    ['"x"', 412],
    [`W/${etag}`, 412],
    [`"x", "y"`, 412],
    [etag, 200],
    [`"x", ${etag}`, 200],
    ["*", 200],
  ])("If-Match %s is answered with %i", async (header, status) => {
    const served = await get({ "if-match": header });
    expect([served.status, served.body === undefined]).toEqual([status, status === 412]);
    expect((await get({ "if-match": header, "if-none-match": etag })).status).toBe(status === 412 ? 412 : 304);
  });

  it("says the digest of the whole beside a part of it, and of the content only where that is the whole", async () => {
    const want = { "want-content-digest": "sha-512=3, sha-256=10" };
    expect((await get({ ...want, range: "bytes=1-2" })).headers).toMatchObject({ "repr-digest": DIGEST });
    expect((await get({ ...want, range: "bytes=1-2" })).headers).not.toHaveProperty("content-digest");
    expect((await get(want)).headers).toMatchObject({ "repr-digest": DIGEST, "content-digest": DIGEST });
    expect((await get(want, manifest, "HEAD")).headers).toMatchObject({ "content-digest": DIGEST });
    for (const header of ["", "sha-256", "sha-256=0", "sha-512=9", "xsha-256=1", "sha-256=11"]) {
      expect((await get({ "want-content-digest": header })).headers, header).not.toHaveProperty("content-digest");
    }
  });

  it("answers by the date where no tag is given", async () => {
    expect((await get({ "if-modified-since": "Sun, 22 Nov 2026 00:00:00 GMT" })).status).toBe(304);
    expect((await get({ "if-modified-since": "Sat, 21 Nov 2026 23:59:59 GMT" })).status).toBe(200);
    expect((await get({ "if-unmodified-since": "Sat, 21 Nov 2026 23:59:59 GMT" })).status).toBe(412);
  });

  it("sends the content to another If-None-Match", async () => {
    expect((await get({ "if-none-match": '"x"' })).status).toBe(200);
  });

  it.each([
    [etag, 206],
    [`W/${etag}`, 200],
    ['"x"', 200],
    ["Sun, 22 Nov 2026 00:00:00 GMT", 206],
    ["Sun, 22 Nov 2026 00:00:01 GMT", 200],
  ])("with If-Range: %s the range gives %i", async (header, status) => {
    expect((await get({ "if-range": header, range: "bytes=0-1" })).status).toBe(status);
  });

  it.each(['a"b.txt', "a\\b.txt", "é ü.txt", "\u202egpj.exe", "a;b.txt", "../../etc/passwd", "%41.txt", "😀.png", "a'b.txt"])(
    "names %j in one header that carries it back",
    async (name) => {
      const header = (await get({}, { ...manifest, name })).headers["content-disposition"] ?? "";
      expect(header).toMatch(/^attachment; filename/);
      expect(header).toMatch(/^[\x20-\x7e]+$/);
      const extended = /filename\*=UTF-8''([^;]+)/.exec(header)?.[1];
      const plain = /filename="((?:[^"\\]|\\.)*)"/.exec(header)?.[1]?.replaceAll(/\\(.)/g, "$1") ?? /filename=([^;]+)/.exec(header)?.[1];
      expect(extended === undefined ? plain : decodeURIComponent(extended)).toBe(name);
    },
  );

  it("rejects before any byte where the first object is gone", async () => {
    await expect(get({}, { ...manifest, segments: [{ store: "memory", key: "t/gone/0/0", sizeBytes: 20 }] })).rejects.toMatchObject({
      code: "not_found",
    });
  });

  it("fails the stream where an object is shorter than the manifest says", async () => {
    const [first, ...others] = manifest.segments;
    const damaged = { ...manifest, sizeBytes: 22, segments: [{ store: "memory", key: first?.key ?? "", sizeBytes: 12 }, ...others] };
    await expect(get({}, damaged)).rejects.toMatchObject({ code: "damaged" });
  });
});
