import { randomBytes } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { BulkJobAccepted } from "@filemill/contract/bulk.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bulksOf, someEntries } from "../../../test/bulk.ts";
import { rawZip } from "../../../test/processors/zips.ts";
import { keptBy } from "../../../test/kept.ts";
import { rawTar, TAR_END, type RawTarEntry } from "../../../test/tars.ts";
import { setLimits } from "../../tenants/set-limits.ts";
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
  }, 60_000);
});

it("an archive behind an archive is stored too", async () => {
  const answer = await stored(Buffer.concat([rawTar(some(2)), TAR_END, rawTar(some(3))]));
  expect(answer.stored.files).toBe(5);
});
