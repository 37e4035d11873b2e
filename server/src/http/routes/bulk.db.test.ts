import { randomBytes } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { BulkAnswer, BulkJobAccepted } from "@filemill/contract/bulk.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { rawZip } from "../../../test/processors/zips.ts";
import { keptBy } from "../../../test/kept.ts";
import { rawTar, tarEntry, TAR_END, type RawTarEntry } from "../../../test/tars.ts";
import { setLimits } from "../../tenants/set-limits.ts";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";

let app: TestApp;
let tenant: TestTenant;
beforeAll(async () => {
  app = await startTestApp({ limits: { maxFileBytes: 3_000_000 } });
  tenant = await app.tenant();
});
afterAll(() => app.close());

const Refusal = z.object({
  code: z.string(),
  detail: z.string(),
  bulk_id: z.string(),
  stored: z.object({ files: z.int(), size: z.int() }),
});

interface Sending {
  readonly query?: string;
  readonly key?: string;
  readonly by?: TestTenant;
}

function send(body: Buffer, { query = "", key, by = tenant }: Sending = {}): Promise<Response> {
  const headers = { "content-type": "application/x-tar", ...(key !== undefined && { "idempotency-key": key }) };
  return by.fetch(`/files/bulk${query}`, { method: "POST", body, headers });
}

async function stored(body: Buffer, sending: Sending = {}): Promise<BulkAnswer> {
  const response = await send(body, sending);
  const answer: unknown = await response.json();
  expect(response.status, JSON.stringify(answer)).toBe(201);
  return BulkAnswer.parse(answer);
}

async function refused(body: Buffer, sending: Sending = {}) {
  const response = await send(body, sending);
  const answer: unknown = await response.json();
  return { status: response.status, ...Refusal.parse(answer) };
}

/** All pages, small ones. */
async function listed(bulkId: string, by = tenant) {
  const files = [];
  for (let cursor: string | null = "", first = true; cursor !== null; first = false) {
    const response: Response = await by.fetch(`/files/bulk/${bulkId}?limit=7${first ? "" : `&cursor=${cursor}`}`);
    const page = await answerOf(response);
    files.push(...page.data);
    cursor = page.next_cursor;
  }
  return files;
}

const some = (count: number): RawTarEntry[] =>
  Array.from({ length: count }, (_none, no) => ({
    name: `folder/file-${String(no).padStart(4, "0")}.txt`,
    content: Buffer.from(`content ${no}\n`),
  }));

describe("an archive", () => {
  const large = randomBytes(400_000);
  const entries: RawTarEntry[] = [
    { name: "./a/", type: "5" },
    { name: "./a/one.csv", content: Buffer.from("x,y\n1,2\n3,4\n") },
    { name: "large.bin", content: large },
    { name: "empty" },
    { name: "short", pax: { path: `${"long/".repeat(40)}name.txt` }, content: Buffer.from("pax") },
  ];
  const zipped = entries.slice(0, 4).map(({ name, content }) => ({ name, deflate: true, ...(content && { content }) }));
  it.each([
    ["a tar", rawTar(entries), 4],
    ["a tar in gzip", gzipSync(rawTar(entries)), 4],
    ["a tar in two gzip members", Buffer.concat([gzipSync(rawTar(entries).subarray(0, 700)), gzipSync(rawTar(entries).subarray(700))]), 4],
    ["a tar in zstd", zstdCompressSync(rawTar(entries)), 4],
    ["a zip", rawZip(zipped), 3],
  ])("that is %s is stored, file by file", async (_label, body, count) => {
    const answer = await stored(body, { query: "?metadata.batch=7" });
    expect(answer.stored.files).toBe(count);
    expect(answer.skipped).toEqual({ entries: 0, first: [] });
    expect(answer.files.slice(0, 3)).toMatchObject([
      { name: "a/one.csv", size: 12, media_type: "text/csv" },
      { name: "large.bin", size: large.length },
      { name: "empty", size: 0, media_type: "application/x-empty" },
    ]);
    const files = await listed(answer.bulk_id);
    expect(files.map(({ id }) => id)).toEqual(answer.files.map(({ id }) => id));
    expect(files.every(({ metadata }) => metadata["batch"] === "7")).toBe(true);
    for (const [file, content] of [
      [answer.files[0], entries[1]?.content],
      [answer.files[1], large],
    ] as const) {
      const response = await tenant.fetch(`/files/${file?.id}/content`);
      expect(Buffer.from(await response.arrayBuffer()).equals(content ?? Buffer.alloc(0))).toBe(true);
    }
  });

  it("of many files is listed in its order, page by page, by nobody else", async () => {
    const answer = await stored(rawTar(some(1_203)));
    expect(answer.stored.files).toBe(1_203);
    expect(answer.files).toHaveLength(100);
    expect((await listed(answer.bulk_id)).map(({ name }) => name)).toEqual(some(1_203).map(({ name }) => name));
    const other = await app.tenant();
    expect((await other.fetch(`/files/bulk/${answer.bulk_id}`)).status).toBe(404);
  });

  it("gives its links, devices and pipes back as skipped, whatever they point at", async () => {
    const others: RawTarEntry[] = [
      { name: "link", type: "2", linkName: "/etc/passwd" },
      { name: "twin", type: "1", linkName: "good" },
      { name: "null", type: "3" },
      { name: "disk", type: "4" },
      { name: "pipe", type: "6" },
      { name: "odd", type: "S", content: Buffer.alloc(1_024) },
      { name: "thin", pax: { "GNU.sparse.major": "1" }, content: Buffer.alloc(600) },
    ];
    const answer = await stored(
      rawTar([{ name: "good", content: Buffer.from("x") }, ...others, { name: "last", content: Buffer.from("y") }]),
    );
    expect(answer.files.map(({ name }) => name)).toEqual(["good", "last"]);
    expect(answer.skipped.first.map(({ name, reason }) => `${name}: ${reason}`)).toEqual([
      "link: symbolic_link",
      "twin: hard_link",
      "null: device",
      "disk: device",
      "pipe: fifo",
      "odd: unknown",
      "thin: sparse_file",
    ]);
  });

  it("may hold a name twice, or in two cases: both are files", async () => {
    const answer = await stored(rawTar(["a", "A", "a"].map((name, no) => ({ name, content: Buffer.from(String(no)) }))));
    expect(answer.files.map(({ name }) => name)).toEqual(["a", "A", "a"]);
    expect(new Set(answer.files.map(({ id }) => id)).size).toBe(3);
  });

  it.each(["../../etc/passwd", "..\\..\\x", "/abs", "a/../../b", "C:\\x", "-rf", "$(id)", "a.txt:stream", "con", "\u202egnp.exe"])(
    "keeps the name %s as data",
    async (name) => {
      const answer = await stored(rawTar([{ name: "x", pax: { path: name }, content: Buffer.from("x") }]));
      expect(answer.files).toMatchObject([{ name }]);
    },
  );
});

describe("an archive with a pipeline", () => {
  const pipeline = encodeURIComponent(JSON.stringify({ steps: { stats: { use: "text.stats" } } }));

  it("becomes one job over all its files, once for a key", async () => {
    const body = rawTar(some(700));
    const answers = [];
    for (let time = 0; time < 2; time++) {
      const response = await send(body, { query: `?pipeline=${pipeline}&metadata.case=job`, key: "a job" });
      expect(response.status).toBe(202);
      answers.push(BulkJobAccepted.parse(await response.json()));
    }
    expect(answers[1]).toEqual(answers[0]);
    const job = await (await tenant.fetch(`/jobs/${answers[0]?.job_id}`)).json();
    expect(job).toMatchObject({ counts: { total: 700 }, status: "queued" });
    expect((await answerOf(await tenant.fetch("/jobs?metadata.case=job"))).data).toHaveLength(1);
  });

  it("may be the input of a job later, for its own tenant only", async () => {
    const { bulk_id } = await stored(rawTar(some(250)));
    const order = (by: TestTenant) => {
      const body = JSON.stringify({ pipeline: { steps: { stats: { use: "text.stats" } } }, inputs: [bulk_id] });
      return by.fetch("/jobs", { method: "POST", body, headers: { "content-type": "application/json" } });
    };
    const accepted = await answerOf(await order(tenant));
    expect(accepted.files).toHaveLength(100);
    expect(await (await tenant.fetch(`/jobs/${accepted.job_id}`)).json()).toMatchObject({ counts: { total: 250 } });
    expect((await order(await app.tenant())).status).toBe(404);
  });

  it("is refused before its body where the pipeline is wrong", async () => {
    const before = await keptBy(app);
    const response = await send(rawTar(some(3)), { query: "?pipeline=nothing" });
    expect([response.status, (await answerOf(response)).code]).toEqual([404, "not_found"]);
    expect(await keptBy(app)).toEqual(before);
  });
});

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
    const bomb = gzipSync(Buffer.concat(Array.from({ length: 60 }, () => Buffer.concat([header, Buffer.alloc(2_900_480)]))));
    const answer = await refused(bomb);
    expect(answer).toMatchObject({ status: 413, code: "file_too_large" });
    expect(answer.stored.size).toBeLessThan(70 * 2 ** 20);
  });

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

describe("requests at once with one key", () => {
  it("store each file once", async () => {
    const body = rawTar(some(1_500));
    const statuses = await Promise.all(Array.from({ length: 10 }, async () => (await send(body, { key: "at once" })).status));
    expect(statuses.filter((status) => status !== 201 && status !== 503)).toEqual([]);
    const answer = await stored(body, { key: "at once" });
    expect((await listed(answer.bulk_id)).map(({ name }) => name)).toEqual(some(1_500).map(({ name }) => name));
  });
});

describe("over a quota, an archive", () => {
  async function limited(maxFiles: number): Promise<TestTenant> {
    const poor = await app.tenant();
    await setLimits(app.cloned.database, { tenantId: poor.id, limits: { bytes: null, files: maxFiles }, actor: "system" });
    app.services.quotas.forget(poor.id);
    return poor;
  }

  it("is stored up to the limit, exactly", async () => {
    const poor = await limited(620);
    const answer = await refused(rawTar(some(1_000)), { by: poor });
    expect(answer).toMatchObject({ status: 413, code: "quota_exceeded", stored: { files: 620 } });
    expect(await listed(answer.bulk_id, poor)).toHaveLength(620);
    expect((await send(rawTar(some(1)), { by: poor })).status).toBe(413);
  });
});

it("an archive behind an archive is stored too", async () => {
  const answer = await stored(Buffer.concat([rawTar(some(2)), TAR_END, rawTar(some(3))]));
  expect(answer.stored.files).toBe(5);
});
