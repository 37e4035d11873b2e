import { readdir, readFile, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import { cached, openCountingPlatform, runsOf, SECRETS, STATS, type CountingPlatform } from "../../test/engine/counting-platform.ts";
import type { Engine } from "../../test/engine/engine.ts";
import type { Platform } from "../../test/engine/platform.ts";
import { sql } from "../db/sql.ts";
import { objectPath } from "../storage/disk-layout.ts";

const SAMPLES = fileURLToPath(new URL("../../../samples/", import.meta.url));

let counting: CountingPlatform;
let engine: Engine;
let platform: Platform;
let tenantId: string;
beforeAll(async () => {
  counting = await openCountingPlatform();
  ({ engine, platform } = counting);
  return counting.close;
});
beforeEach(async () => {
  tenantId = await engine.tenant();
});

const { put, run, rowsOf } = runsOf(() => ({ counting, tenantId }));

describe("the second run does no host's work, and gives the same", () => {
  test.each<[string, string, PipelineDocument]>([
    [
      "photos through a chain to thumbnails and their zip",
      "photos",
      {
        steps: {
          checked: { use: "file.validate", with: { accept: ["image/*"], max_size: "50MiB" } },
          small: { use: "image.resize", needs: ["checked"], with: { width: 320, height: 320, fit: "inside", format: "webp" } },
          all: { use: "archive.zip", needs: ["small"] },
        },
        outputs: ["small", "all"],
      },
    ],
    [
      "tables to profiles and copies",
      "tables",
      {
        steps: {
          profile: { use: "table.profile" },
          rows: { use: "table.query", with: { sql: "SELECT count(*) AS number_of_rows FROM input", format: "json" } },
          parquet: { use: "table.query", with: { sql: "SELECT * FROM input", format: "parquet" } },
        },
        outputs: ["profile", "rows", "parquet"],
      },
    ],
    ["texts", "text", { steps: { statistics: { use: "text.stats" } } }],
    ["archives", "archives", { steps: { files: { use: "archive.extract" } } }],
  ])(
    "%s",
    async (_what, folder, document) => {
      const names = await readdir(join(SAMPLES, folder));
      const send = () => Promise.all(names.map(async (name) => platform.put(tenantId, name, await readFile(join(SAMPLES, folder, name)))));
      const first = await run(cached(document), await send());
      expect(first.status).toBe("completed");
      expect(first.worked).toBeGreaterThanOrEqual(names.length);
      const second = await run(cached(document), await send());
      expect(second.status).toBe("completed");
      expect(second.worked).toBe(0);
      expect(second.reused).toEqual({ hits: first.reused.misses, misses: 0 });
      expect(second.outputs).toEqual(first.outputs);
      const made = await rowsOf(first.jobId);
      const again = await rowsOf(second.jobId);
      expect(made.map((row) => row.from)).toEqual(made.map(() => null));
      expect(again.map((row) => row.from)).toEqual(made.map((row) => row.fileId));
    },
    60_000,
  );

  test("a tree", async () => {
    const document = cached({ steps: { sum: { use: "numbers.sum", fan_in: 3 } } });
    const files = await put("1\n", "2\n", "3\n", "4\n", "5\n");
    const first = await run(document, files);
    expect(first.worked).toBe(7);
    const second = await run(document, files);
    expect([second.worked, second.outputs]).toEqual([0, first.outputs]);
    // The first node is as it was; what has changed, and the root above it, runs.
    const third = await run(document, [...files.slice(0, 4), ...(await put("6\n"))]);
    expect([third.worked, third.outputs[0]?.text]).toEqual([4, "16\n"]);
  });

  test("a file that a step hands on", async () => {
    const document = cached({ steps: { ok: { use: "file.validate" } } });
    const files = await put("a", "b");
    await run(document, files);
    const second = await run(document, files);
    expect(second.worked).toBe(0);
    expect((await rowsOf(second.jobId)).map(({ fileId, from }) => [fileId, from])).toEqual(files.map((id) => [id, id]));
  });
});

describe("what was not done before is done", () => {
  test("only of the entries that are new", async () => {
    const [a = "", b = ""] = await put("a a", "b");
    await run(STATS, [a]);
    const second = await run(STATS, [a, b]);
    expect([second.worked, second.reused]).toEqual([1, { hits: 1, misses: 1 }]);
    expect(second.outputs.map(({ ordinal, text }) => [ordinal, JSON.parse(text).words])).toEqual([
      [0, 2],
      [1, 1],
    ]);
  });

  test("with other parameters, another name where it shows, another type, another processor, another tenant", async () => {
    const [a = ""] = await put("hello");
    await run(STATS, [a]);
    const other = await platform.put(tenantId, "other.txt", "hello");
    const stranger = await engine.tenant();
    const foreign = await platform.put(stranger, "0.txt", "hello");
    const quiet = cached({ steps: { stats: { use: "text.stats", with: { language: false } } } });
    expect((await run(quiet, [a])).worked).toBe(1);
    expect((await run(STATS, [other])).worked).toBe(1);
    expect((await run(STATS, [foreign], stranger)).worked).toBe(1);
    expect((await run(STATS, [a])).worked).toBe(0);
    await engine.rows(sql`UPDATE files SET media_type = 'text/markdown' WHERE id = ${a}::uuid`);
    expect((await run(STATS, [a])).worked).toBe(1);
  });

  test("by a worker that has another version of the processor than the job was planned with", async () => {
    const [a = ""] = await put("hello");
    await run(STATS, [a]);
    const stats = platform.catalogue.get("text.stats");
    if (!stats) throw new Error("text.stats is built in");
    const newer = { ...platform.catalogue, get: (name: string) => (name === "text.stats" ? { ...stats, version: "2" } : undefined) };
    await platform.worker({ catalogue: newer, secrets: SECRETS, lanes: ["newer"] });
    const jobId = await platform.submit(tenantId, cached({ steps: { stats: { use: "text.stats", lane: "newer" } } }), [a]);
    expect(await platform.ended(jobId)).toBe("completed");
    expect((await rowsOf(jobId)).map((row) => row.from)).toEqual([null]);
  });

  test("where nobody asks, where one step of the chain forbids it, and for a query that asks for the time", async () => {
    const [a = ""] = await put("a,b\n1,2\n");
    const query = (text: string): PipelineDocument =>
      cached({ steps: { rows: { use: "table.query", with: { sql: text, format: "json" } } } });
    const documents: PipelineDocument[] = [
      { steps: { stats: { use: "text.stats" } } },
      { steps: { ok: { use: "file.validate", cache: false }, stats: { use: "text.stats", needs: ["ok"], cache: true } } },
      query("SELECT now() AS now FROM input"),
    ];
    for (const document of documents) {
      await run(document, [a]);
      expect((await run(document, [a])).worked).toBe(1);
    }
    const counting = query("SELECT count(*) AS n FROM input");
    await run(counting, [a]);
    expect((await run(counting, [a])).worked).toBe(0);
  });

  test("after a failure: only what succeeded is remembered", async () => {
    const [a = ""] = await put("hello");
    const strict = cached({ steps: { ok: { use: "file.validate", with: { max_size: "1B" } } } });
    for (const _time of [1, 2]) {
      const failed = await run(strict, [a]);
      expect([failed.status, failed.worked]).toEqual(["failed", 1]);
    }
    expect(await engine.rows(sql`SELECT FROM cached_results WHERE tenant_id = ${tenantId}::uuid`)).toEqual([]);
  });

  test("when the earlier result was deleted", async () => {
    const [a = ""] = await put("hello");
    const first = await run(STATS, [a]);
    await engine.rows(sql`UPDATE files SET status = 'deleted' WHERE job_id = ${first.jobId}::uuid`);
    expect((await run(STATS, [a])).worked).toBe(1);
    expect((await run(STATS, [a])).worked).toBe(0);
  });

  test.each<[string, (path: string) => Promise<void>]>([
    ["lost", (path) => rm(path)],
    ["cut off", (path) => truncate(path, 100)],
  ])("when the bytes of the earlier result are %s, in the same task and for good", async (_what, harm) => {
    const files = await put("a", "b");
    const large = cached({ steps: { copy: { use: "table.query", with: { sql: "SELECT repeat('x', 40000) AS x", format: "csv" } } } });
    await engine.rows(sql`UPDATE files SET media_type = 'text/csv' WHERE id = ANY(${files}::uuid[])`);
    const first = await run(large, files);
    const [made] = await rowsOf(first.jobId);
    const [segment] = await engine.rows<{ key: string }>(sql`SELECT object_key AS key FROM segments WHERE file_id = ${made?.fileId}::uuid`);
    await harm(objectPath(platform.storeFolder, segment?.key ?? ""));
    const second = await run(large, files);
    expect([second.status, second.worked]).toEqual(["completed", 2]);
    expect(second.outputs.map((output) => output.text.length)).toEqual([40_003, 40_003]);
    expect((await run(large, files)).worked).toBeLessThan(3);
    expect((await run(large, files)).worked).toBe(0);
  });
});
