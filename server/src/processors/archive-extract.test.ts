import { readdir } from "node:fs/promises";
import { createDeflateRaw } from "node:zlib";
import { describe, expect, test } from "vitest";
import { badInput, runProcessor } from "../../test/processors/harness.ts";
import { rawZip, type RawEntry } from "../../test/processors/zips.ts";
import { archiveExtract } from "./archive-extract.ts";

const given = (entries: readonly RawEntry[], options: Record<string, unknown> = {}) => ({
  with: options,
  inputs: [{ name: "a.zip", mediaType: "application/zip", content: rawZip(entries) }],
});

async function extract(entries: readonly RawEntry[], options: Record<string, unknown> = {}) {
  await using run = await runProcessor(archiveExtract, given(entries, options));
  return Promise.all(run.outputs.map(async ({ name, mediaType, text }) => ({ name, mediaType, text: await text() })));
}

const refused = (entries: readonly RawEntry[], options: Record<string, unknown> = {}) =>
  badInput(runProcessor(archiveExtract, given(entries, options)));

const text = (content: string) => Buffer.from(content);

test("makes a file of each regular file, stored or deflated, with the type of its content", async () => {
  const inner = rawZip([{ name: "deep.txt", content: text("x") }]);
  const files = await extract([
    { name: "folder/", mode: 0o040755 },
    { name: "folder/a.csv", content: text("a,b\n1,2\n") },
    { name: "b.json", content: text('{"b": 1}'), deflate: true },
    { name: "photo.txt", content: Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0", "latin1") },
    { name: "tool.csv", content: Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0]) },
    { name: "inner.zip", content: inner },
    { name: "empty.txt" },
  ]);
  expect(files.map(({ name, mediaType }) => [name, mediaType])).toEqual([
    ["a.csv", "text/csv"],
    ["b.json", "application/json"],
    ["photo.txt", "image/png"],
    ["tool.csv", expect.stringMatching(/^application\/(?:x-elf|octet-stream)$/)],
    ["inner.zip", "application/zip"],
    ["empty.txt", "text/plain"],
  ]);
  expect(files[0]?.text).toBe("a,b\n1,2\n");
  expect(files[1]?.text).toBe('{"b": 1}');
});

test("an archive that holds only what is left out says so", async () => {
  const entries = [
    { name: "only/", mode: 0o040755 },
    { name: "link", mode: 0o120777, content: text("/etc/passwd") },
  ];
  expect(await refused(entries)).toMatchObject({ code: "type_mismatch", message: expect.stringContaining("no regular file, only 2 ") });
});

test("an archive without files gives none", async () => {
  expect(await extract([])).toEqual([]);
});

test.each([
  ["../../etc/passwd", "passwd"],
  ["..\\..\\windows\\system.ini", "system.ini"],
  ["/etc/shadow", "shadow"],
  ["C:\\x\\boot.ini", "boot.ini"],
  ["a/../../b/./c.txt", "c.txt"],
  ["..", "file"],
  ["CON.txt", "_CON.txt"],
  ["a\u0000b.txt", "a_b.txt"],
  ["photo\u202egnp.exe", "photo_gnp.exe"],
  ["a.txt:stream", "a.txt_stream"],
  ["trailing. . ", "trailing"],
])("the name %j becomes %j, and nothing is written elsewhere", async (name, plain) => {
  await using run = await runProcessor(archiveExtract, given([{ name, content: text("x") }]));
  expect(run.outputs.map((output) => output.name)).toEqual([plain]);
  expect(await readdir(`${run.only.path}/..`).catch(() => ["0"])).toEqual(["0"]);
});

test("a name of 60,000 bytes is cut, its extension stays", async () => {
  const [file] = await extract([{ name: `${"é".repeat(30_000)}.txt`, content: text("x") }]);
  expect(Buffer.byteLength(file?.name ?? "")).toBeLessThanOrEqual(200);
  expect(file?.name).toMatch(/é\.txt$/);
});

test("equal names and case twins get numbers", async () => {
  const files = await extract(["a.txt", "A.txt", "x/a.txt", "a-2.txt", "README", "readme"].map((name) => ({ name, content: text(name) })));
  expect(files.map((file) => file.name)).toEqual(["a.txt", "A-2.txt", "a-3.txt", "a-2-2.txt", "README", "readme-2"]);
});

test.each([
  ["a symbolic link", 0o120777],
  ["a character device", 0o020666],
  ["a block device", 0o060666],
  ["a pipe", 0o010644],
  ["a socket", 0o140755],
])("%s is left out", async (_, mode) => {
  const files = await extract([
    { name: "link", content: text("/etc/passwd"), mode },
    { name: "good.txt", content: text("good"), mode: 0o100644 },
  ]);
  expect(files.map((file) => file.name)).toEqual(["good.txt"]);
});

describe("refusals", () => {
  const zeros = Buffer.alloc(8 * 2 ** 20);
  const noise = Buffer.from(Array.from({ length: 1_000 }, (_, index) => (index * 7919) & 255));

  test.each<[string, readonly RawEntry[], Record<string, unknown>, string, RegExp]>([
    [
      "too many entries",
      Array.from({ length: 11 }, (_, index) => ({ name: `${index}` })),
      { max_files: 10 },
      "limit_exceeded",
      /11 entries; at most 10/,
    ],
    ["one file too large by its header", [{ name: "a", content: noise }], { max_file: "999B" }, "limit_exceeded", /max_file/],
    [
      "too much together by the headers",
      [
        { name: "a", content: noise },
        { name: "b", content: noise },
      ],
      { max_total: "1999B" },
      "limit_exceeded",
      /max_total/,
    ],
    ["a ratio above the limit", [{ name: "a", content: zeros, deflate: true }], { max_ratio: 100 }, "limit_exceeded", /max_ratio/],
    [
      "a size in the header below the real one",
      [{ name: "a", content: zeros, deflate: true, claims: { uncompressed: 10 } }],
      {},
      "corrupt",
      /too many bytes/,
    ],
    [
      "a size in the header above the real one",
      [{ name: "a", content: noise, deflate: true, claims: { uncompressed: 5_000 } }],
      {},
      "corrupt",
      /not enough bytes/,
    ],
    ["a checksum that is wrong", [{ name: "a", content: noise, claims: { crc: 1 } }], {}, "corrupt", /checksum/],
    ["the encrypted flag", [{ name: "a", content: noise, deflate: true, flags: 0x801 }], {}, "encrypted", /encrypted/],
    ["strong encryption", [{ name: "a", content: noise, deflate: true, flags: 0x841 }], {}, "encrypted", /encrypted/],
    ["AES", [{ name: "a", content: noise, method: 99 }], {}, "encrypted", /encrypted/],
    ["an unknown packing", [{ name: "a", content: noise, method: 12 }], {}, "type_mismatch", /method 12/],
    ["garbage for deflated bytes", [{ name: "a", packed: Buffer.alloc(50, 0xff), claims: { uncompressed: 50 } }], {}, "corrupt", /./],
    ["an entry beyond the end", [{ name: "a", content: noise, claims: { offset: 0x7fffffff } }], {}, "corrupt", /beyond its end/],
    ["an entry that points into the directory", [{ name: "a", content: noise, claims: { offset: 40 } }], {}, "corrupt", /./],
    [
      "packed sizes above the file's",
      [{ name: "a", content: noise, claims: { compressed: 2_000_000, uncompressed: 2_000_000 } }],
      {},
      "corrupt",
      /not an honest zip/,
    ],
  ])("%s", async (_, entries, options, code, message) => {
    const error = await refused(entries, options);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  test("entries that share their bytes", async () => {
    const first = { name: "a", content: Buffer.alloc(2 ** 20), deflate: true };
    const error = await refused([first, ...Array.from({ length: 500 }, (_, index) => ({ ...first, name: `b${index}`, shared: true }))], {
      max_total: "16GiB",
      max_ratio: 1_000,
    });
    expect(error.code).toBe("corrupt");
    expect(error.message).toMatch(/not an honest zip/);
  });

  test("two entries that share bytes, though all sizes together fit", async () => {
    const padding = Buffer.alloc(2_004);
    padding.writeUInt16LE(0x9999, 0);
    padding.writeUInt16LE(2_000, 2);
    const error = await refused([
      { name: "a", content: noise },
      { name: "b", content: noise, shared: true },
      { name: "c", content: Buffer.alloc(5_000), extra: padding },
    ]);
    expect(error.code).toBe("corrupt");
    expect(error.message).toMatch(/overlap/);
  });

  test("sizes of zip64 beyond any file", async () => {
    const extra = Buffer.alloc(28);
    extra.writeUInt16LE(1, 0);
    extra.writeUInt16LE(24, 2);
    extra.fill(0xff, 4);
    const error = await refused([
      { name: "a", content: noise, extra, claims: { uncompressed: 0xffffffff, compressed: 0xffffffff, offset: 0xffffffff } },
    ]);
    expect(error.code).toMatch(/^(?:corrupt|limit_exceeded)$/);
  });

  test("10 GB of zeros stop at the limit on real bytes, with headers that claim little", async () => {
    const packed = await deflatedZeros(10 * 2 ** 30);
    const started = performance.now();
    const entry = { name: "zeros", packed, claims: { uncompressed: 10, crc: 0 } };
    expect((await refused([entry])).code).toBe("corrupt");
    const honest = { name: "zeros", packed, claims: { uncompressed: 0xfffffffe, crc: 0 } };
    expect((await refused([honest], { max_total: "16GiB", max_file: "16GiB" })).code).toBe("limit_exceeded");
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  test.each([
    ["zero bytes", Buffer.alloc(0)],
    ["right magic, then garbage", Buffer.concat([Buffer.from("PK\x03\x04"), Buffer.alloc(1_000, 0x41)])],
    ["a zip cut in half", rawZip([{ name: "a", content: Buffer.alloc(1_000) }]).subarray(0, 500)],
  ])("%s", async (_, content) => {
    const error = await badInput(runProcessor(archiveExtract, { inputs: [{ name: "a.zip", mediaType: "application/zip", content }] }));
    expect(error.code).toBe("corrupt");
  });

  test.each([{ max_total: "17GiB" }, { max_files: 10_001 }, { max_ratio: 1_001 }, { max_total: 5 }, { depth: 2 }])(
    "the parameters %j",
    (options) => {
      expect(archiveExtract.params.safeParse(options).success).toBe(false);
    },
  );
});

/** Deflate packs zeros 1,030 times at most. One block of 16 MiB, repeated: flushed blocks may follow each other. */
async function deflatedZeros(bytes: number): Promise<Buffer> {
  const block = 16 * 2 ** 20;
  const deflate = createDeflateRaw();
  const chunks: Buffer[] = [];
  deflate.on("data", (chunk: Buffer) => chunks.push(chunk));
  const flush = () => new Promise<void>((resolve) => deflate.flush(() => resolve()));
  deflate.write(Buffer.alloc(block));
  await flush();
  const first = Buffer.concat(chunks.splice(0));
  deflate.write(Buffer.alloc(block));
  await flush();
  const next = Buffer.concat(chunks.splice(0));
  await new Promise<void>((resolve) => deflate.end(resolve));
  return Buffer.concat([first, ...Array.from({ length: bytes / block - 1 }, () => next), Buffer.concat(chunks)]);
}
