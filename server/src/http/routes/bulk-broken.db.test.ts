import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bulksOf, someEntries } from "../../../test/bulk.ts";
import { rawZip } from "../../../test/processors/zips.ts";
import { keptBy } from "../../../test/kept.ts";
import { rawTar, tarEntry } from "../../../test/tars.ts";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";

let app: TestApp;
let tenant: TestTenant;
beforeAll(async () => {
  app = await startTestApp({ limits: { maxFileBytes: 3_000_000 } });
  tenant = await app.tenant();
});
afterAll(() => app.close());

const some = someEntries;
const { send, stored, refused, listed } = bulksOf(() => tenant);

describe("a broken archive", () => {
  it("keeps what came whole, says how much, and goes on behind it with the same key", async () => {
    const whole = rawTar(some(1_000));
    const cut = await refused(whole.subarray(0, 700 * 1_024 + 300), { key: "cut" });
    expect(cut).toMatchObject({ status: 400, code: "validation_failed", stored: { files: 700 } });
    expect(await listed(cut.bulk_id)).toHaveLength(700);
    const first = await stored(whole, { key: "cut" });
    const again = await stored(whole, { key: "cut" });
    expect(first).toMatchObject({ bulk_id: cut.bulk_id, stored: { files: 1_000 } });
    expect(again).toEqual(first);
    expect((await listed(cut.bulk_id)).map(({ name }) => name)).toEqual(some(1_000).map(({ name }) => name));
  });

  it("is told from another one under the same key", async () => {
    await stored(rawTar(some(10)), { key: "mine" });
    const other = some(10).map((entry, no) => (no === 4 ? { ...entry, content: Buffer.from("changed") } : entry));
    expect(await refused(rawTar(other), { key: "mine" })).toMatchObject({
      status: 422,
      code: "idempotency_key_reused",
      stored: { files: 4 },
    });
    expect((await send(rawTar(some(10)), { key: "mine", query: "?metadata.a=b" })).status).toBe(422);
  });

  it.each<[string, () => Buffer, number, string, number]>([
    ["ends between two files", () => rawTar(some(3), Buffer.alloc(0)), 400, "validation_failed", 3],
    ["ends inside a header", () => rawTar(some(3)).subarray(0, 2_048 + 100), 400, "validation_failed", 2],
    ["has a wrong checksum", () => rawTar([...some(2), { name: "x", claims: { checksum: 1 } }]), 400, "validation_failed", 2],
    [
      "has a header that claims more than comes",
      () => rawTar([...some(2), { name: "x", claims: { size: 2_000_000 } }]),
      400,
      "validation_failed",
      2,
    ],
    ["has a header of 8 GiB", () => rawTar([{ name: "x", claims: { size: 8 * 2 ** 30 - 1 } }]), 400, "validation_failed", 0],
    [
      "has an extended header of 5 MB",
      () => rawTar([...some(1), { name: "x", pax: { comment: "x".repeat(5_000_000) } }]),
      400,
      "validation_failed",
      1,
    ],
    ["has an extended size that is none", () => rawTar([...some(1), { name: "x", pax: { size: "-1" } }]), 400, "validation_failed", 1],
    ["has NUL in a name", () => rawTar([...some(1), { name: "x", pax: { path: "a\0b" } }]), 400, "validation_failed", 1],
    ["has a line end in a name", () => rawTar([...some(1), { name: "a\nb" }]), 400, "validation_failed", 1],
    ["has a name of 300 bytes", () => rawTar([...some(1), { name: "x", pax: { path: "n".repeat(300) } }]), 400, "validation_failed", 1],
    ["has a file that is too large", () => rawTar([...some(2), { name: "x", content: Buffer.alloc(3_000_001) }]), 413, "file_too_large", 2],
    ["is cut in its gzip", () => gzipSync(rawTar(some(3))).subarray(0, -20), 400, "validation_failed", 2],
    ["is cut in its zstd", () => zstdCompressSync(rawTar(some(3))).subarray(0, -4), 400, "validation_failed", 0],
    [
      "is two zstd frames",
      () => Buffer.concat([zstdCompressSync(rawTar(some(3))), zstdCompressSync(rawTar(some(3)))]),
      400,
      "validation_failed",
      3,
    ],
    ["is packed twice", () => gzipSync(gzipSync(rawTar(some(3)))), 400, "validation_failed", 0],
    ["holds only folders", () => rawTar([{ name: "a/", type: "5" }]), 400, "validation_failed", 0],
    ["is empty", () => rawTar([]), 400, "validation_failed", 0],
    [
      "holds more entries than one may",
      () => rawTar(Array.from({ length: 10_001 }, (_none, no) => ({ name: `f${no}/`, type: "5" }))),
      413,
      "file_too_large",
      0,
    ],
  ])("that %s is told so, with what is stored", async (_label, body, status, code, files) => {
    const answer = await refused(body());
    expect(answer, answer.detail).toMatchObject({ status, code, stored: { files } });
    if (files > 0) expect(await listed(answer.bulk_id)).toHaveLength(files);
    expect((await keptBy(app)).temp).toEqual([]);
  });

  it("of zeros, 1,000 times as large as what is sent, ends at the limit on what comes out", async () => {
    const header = tarEntry({ name: "zeros", claims: { size: 2_900_480 } }).subarray(0, 512);
    const bomb = gzipSync(Buffer.concat(Array.from({ length: 26 }, () => Buffer.concat([header, Buffer.alloc(2_900_480)]))));
    const answer = await refused(bomb);
    expect(answer).toMatchObject({ status: 413, code: "file_too_large" });
    expect(answer.stored.size).toBeLessThan(70 * 2 ** 20);
  }, 60_000);

  it.each([
    ["no archive", Buffer.from("hello".repeat(1_000))],
    ["nothing", Buffer.alloc(0)],
    ["a gzip of text", Buffer.from("%PDF-1.7")],
  ])("is refused where it is %s, and leaves nothing", async (_label, body) => {
    const before = await keptBy(app);
    const response = await send(body);
    expect([response.status, (await answerOf(response)).code]).toEqual([415, "type_not_allowed"]);
    expect(await keptBy(app)).toEqual(before);
  });
});

describe("a hostile zip stores nothing", () => {
  const file = { name: "good.txt", content: Buffer.from("good") };
  it.each<[string, () => Buffer, number]>([
    ["encrypted", () => rawZip([file, { ...file, flags: 0x801 }]), 400],
    ["packed by an unknown method", () => rawZip([file, { ...file, method: 14 }]), 400],
    [
      "of overlapping entries",
      () =>
        rawZip([
          { ...file, content: Buffer.alloc(5_000) },
          ...Array.from({ length: 50 }, () => ({ ...file, content: Buffer.alloc(5_000), shared: true })),
        ]),
      400,
    ],
    ["with offsets beyond its end", () => rawZip([file, { ...file, claims: { offset: 0x7000_0000 } }]), 400],
    ["that is cut", () => rawZip([file, file]).subarray(0, -30), 400],
    ["with too many entries", () => rawZip(Array.from({ length: 10_001 }, () => ({ name: "e" }))), 413],
  ])("%s", async (_label, body, status) => {
    const before = await keptBy(app);
    expect((await send(body())).status).toBe(status);
    expect(await keptBy(app)).toEqual(before);
  });

  it.each<[string, RawZipEntries, number]>([
    ["claims a wrong size", [file, { ...file, deflate: true, claims: { uncompressed: 3 } }], 1],
    ["claims a wrong checksum", [file, { ...file, claims: { crc: 1 } }], 1],
    [
      "inflates to more than it claims",
      [file, { name: "b", content: Buffer.alloc(100_000), deflate: true, claims: { uncompressed: 10 } }],
      1,
    ],
  ])("but for what is in front of an entry that %s", async (_label, entries, files) => {
    expect(await refused(rawZip(entries))).toMatchObject({ status: 400, stored: { files } });
  });

  it("skips links that its list tells of", async () => {
    const answer = await stored(
      rawZip([file, { name: "link", content: Buffer.from("/etc/passwd"), mode: 0o120777 }, { name: "p", mode: 0o010644 }]),
    );
    expect(answer.files.map(({ name }) => name)).toEqual(["good.txt"]);
    expect(answer.skipped.first.map(({ reason }) => reason)).toEqual(["symbolic_link", "fifo"]);
  });
});

type RawZipEntries = Parameters<typeof rawZip>[0];
