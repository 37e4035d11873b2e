import { v7 as uuidv7 } from "uuid";
import { beforeAll, describe, expect, test } from "vitest";
import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import type { ClonedDatabase } from "../../test/database.ts";
import type { Engine } from "../../test/engine/engine.ts";
import type { Platform } from "../../test/engine/platform.ts";
import { openWorkingPlatform } from "../../test/engine/working-platform.ts";
import { sql } from "../db/sql.ts";
import { deleteJob } from "../jobs/delete-job.ts";
import { readJobHistories } from "../jobs/step-history.ts";
import { insertTasks } from "../queue/insert-tasks.ts";
import { readLineage, type Lineage, type LineageQuestion } from "./lineage.ts";

let clone: ClonedDatabase;
let engine: Engine;
let platform: Platform;
let tenantId: string;
beforeAll(async () => {
  const opened = await openWorkingPlatform();
  ({ clone, engine, platform, tenantId } = opened);
  return opened.close;
});

const put = (...names: string[]) => Promise.all(names.map((name) => platform.put(tenantId, name, `content of ${name}\n`)));

async function run(document: PipelineDocument, files: readonly string[]): Promise<string> {
  const jobId = await platform.submit(tenantId, document, files);
  expect(await platform.ended(jobId)).toBe("completed");
  return jobId;
}

async function ask(fileId: string, question: Partial<LineageQuestion> = {}, asker = tenantId): Promise<Lineage> {
  const lineage = await clone.database.asTenant(asker, (transaction) =>
    readLineage(transaction, { fileId, direction: "both", depth: 20, limit: 1_000, ...question }),
  );
  if (!lineage) throw new Error("there is no such file");
  return lineage;
}

const outputsOf = (jobId: string, step: string) =>
  engine
    .rows<{ id: string }>(
      sql`SELECT file_id AS id FROM outputs WHERE job_id = ${jobId}::uuid AND step = ${step} AND kept ORDER BY ordinal, part`,
    )
    .then((rows) => rows.map((row) => row.id));

/** `made from → made`, by names, sorted. */
function shown({ files, edges }: Lineage): string[] {
  const name = (id: string) => files.find((file) => file.id === id)?.name ?? id;
  return edges
    .map(({ inputs, output, step, passed }) => `${inputs.map(name).toSorted().join(" + ")} ${passed ? "=" : ">"} ${step} > ${name(output)}`)
    .toSorted();
}

const STATS: PipelineDocument = { steps: { stats: { use: "text.stats" } } };
const PACKED: PipelineDocument = {
  steps: { stats: { use: "text.stats" }, all: { use: "archive.zip", needs: ["stats"], with: { name: "all.zip" } } },
};

describe("both ways", () => {
  test("through a map: what a file became, and what it was made from", async () => {
    const [a = "", b = ""] = await put("a.txt", "b.txt");
    const jobId = await run(STATS, [a, b]);
    const [made = ""] = await outputsOf(jobId, "stats");
    const up = await ask(made, { direction: "up" });
    expect(shown(up)).toEqual(["a.txt > stats > a.txt.stats.json"]);
    expect(up.edges[0]).toMatchObject({ jobId, ordinal: 0, processor: "text.stats", processorVersion: "1", inputsTotal: 1 });
    expect(shown(await ask(a, { direction: "down" }))).toEqual(["a.txt > stats > a.txt.stats.json"]);
    expect(shown(await ask(b, { direction: "up" }))).toEqual([]);
    expect(up.files.map(({ name, status }) => [name, status])).toEqual([
      ["a.txt.stats.json", "stored"],
      ["a.txt", "stored"],
    ]);
  });

  test("of several steps that ran in one go, the input is what went into the first", async () => {
    const [a = ""] = await put("a.txt");
    const chain = { steps: { one: { use: "text.stats" }, two: { use: "text.stats", needs: ["one"] } } };
    const jobId = await run(chain, [a]);
    const [made = ""] = await outputsOf(jobId, "two");
    expect(shown(await ask(made))).toEqual(["a.txt > two > a.txt.stats.json.stats.json"]);
    const histories = await clone.database.asTenant(tenantId, (transaction) => readJobHistories(transaction, [jobId]));
    expect(histories.get(jobId)?.steps["two"]?.map(({ step }) => step)).toEqual(["one", "two"]);
  });

  test("through a gather to the originals, over intermediates that were collected as garbage", async () => {
    const files = await put("a.txt", "b.txt", "c.txt");
    const jobId = await run(PACKED, files);
    await engine.rows(sql`UPDATE files SET status = 'deleted' WHERE job_id = ${jobId}::uuid AND origin = 'intermediate'`);
    const [zip = ""] = await outputsOf(jobId, "all");
    const up = await ask(zip, { direction: "up" });
    expect(shown(up)).toEqual([
      "a.txt > stats > a.txt.stats.json",
      "a.txt.stats.json + b.txt.stats.json + c.txt.stats.json > all > all.zip",
      "b.txt > stats > b.txt.stats.json",
      "c.txt > stats > c.txt.stats.json",
    ]);
    expect(up.files.filter((file) => file.origin === "intermediate").map((file) => file.status)).toEqual(["deleted", "deleted", "deleted"]);
    // Down from one original there is nothing of the others.
    expect(shown(await ask(files[1] ?? "", { direction: "down" }))).toEqual([
      "b.txt > stats > b.txt.stats.json",
      "b.txt.stats.json > all > all.zip",
    ]);
    expect((await ask(files[1] ?? "")).edges.find((edge) => edge.step === "all")?.inputsTotal).toBe(3);
  });

  test("through every level of a tree", async () => {
    const files = await Promise.all(Array.from({ length: 9 }, (_unused, index) => platform.put(tenantId, `n${index}.txt`, `${index}\n`)));
    const jobId = await run({ steps: { sum: { use: "numbers.sum", fan_in: 3 } } }, files);
    const [sum = ""] = await outputsOf(jobId, "sum");
    const up = await ask(sum, { direction: "up" });
    expect(up.edges.map((edge) => edge.inputs.length)).toEqual([3, 3, 3, 3]);
    expect(new Set(up.edges.flatMap((edge) => edge.inputs)).intersection(new Set(files))).toEqual(new Set(files));
    const down = await ask(files[4] ?? "", { direction: "down" });
    expect(down.edges.map((edge) => [edge.inputs.length, edge.inputsTotal])).toEqual([
      [1, 3],
      [1, 3],
    ]);
    expect(down.edges.at(-1)?.output).toBe(sum);
  });

  test("from a child of a fan-out to its parent and its siblings' parent to it", async () => {
    const [a = ""] = await put("a");
    const jobId = await run({ steps: { many: { use: "demo.many", with: { count: 3 } } } }, [a]);
    const children = await outputsOf(jobId, "many");
    expect(shown(await ask(children[1] ?? ""))).toEqual(["a > many > a-1.txt"]);
    expect(shown(await ask(a))).toHaveLength(3);
  });

  test("a file handed on unchanged is shown so, and leads nowhere else", async () => {
    const [a = ""] = await put("a.txt");
    await run({ steps: { ok: { use: "file.validate" } } }, [a]);
    const found = await ask(a);
    expect(shown(found)).toEqual(["a.txt = ok > a.txt"]);
    expect(found.files).toHaveLength(1);
    expect(found.truncated).toBe(false);
  });

  test("over the jobs: what one made is what another took", async () => {
    const [a = ""] = await put("a.txt");
    const [first = ""] = await outputsOf(await run(STATS, [a]), "stats");
    const [second = ""] = await outputsOf(await run(PACKED, [first]), "all");
    expect(shown(await ask(second, { direction: "up" }))).toEqual([
      "a.txt > stats > a.txt.stats.json",
      "a.txt.stats.json > stats > a.txt.stats.json.stats.json",
      "a.txt.stats.json.stats.json > all > all.zip",
    ]);
    expect((await ask(a, { direction: "down" })).files.map((file) => file.id)).toContain(second);
  });
});

test("a file that was collected says where", async () => {
  const [a = ""] = await put("a.txt");
  await engine.rows(sql`
    INSERT INTO file_sources (file_id, tenant_id, job_id, kind, identity, location, size_bytes, etag, collected_at)
    VALUES (${a}::uuid, ${tenantId}::uuid, ${uuidv7()}::uuid, 'urls', sha256('x'), 'https://a.example/a.txt', 1, '"1"', '2026-11-22T01:02:03.004Z')`);
  const [made = ""] = await outputsOf(await run(STATS, [a]), "stats");
  const source = {
    kind: "urls",
    location: "https://a.example/a.txt",
    etag: '"1"',
    modifiedAt: null,
    collectedAt: "2026-11-22T01:02:03.004Z",
  };
  expect((await ask(made)).files.map((file) => file.source)).toEqual([null, source]);
});

describe("after a deletion", () => {
  test("of a file it stands in the history as deleted", async () => {
    const [a = ""] = await put("a.txt");
    const [made = ""] = await outputsOf(await run(STATS, [a]), "stats");
    await engine.rows(sql`UPDATE files SET status = 'deleted' WHERE id = ${a}::uuid`);
    const found = await ask(made);
    expect(found.files.map(({ name, status }) => [name, status])).toEqual([
      ["a.txt.stats.json", "stored"],
      ["a.txt", "deleted"],
    ]);
    expect(shown(await ask(a))).toEqual(["a.txt > stats > a.txt.stats.json"]);
  });

  test("of a job its files keep their history; what only crossed a boundary has no bytes left", async () => {
    const [a = "", b = ""] = await put("a.txt", "b.txt");
    const jobId = await run(PACKED, [a, b]);
    const [zip = ""] = await outputsOf(jobId, "all");
    const before = await ask(zip);
    await deleteJob(clone.database, { tenantId, jobId, actor: "key_test" });
    const after = await ask(zip);
    expect(after.edges).toEqual(before.edges);
    expect(after.files.filter((file) => file.origin === "intermediate").map((file) => file.status)).toEqual(["deleted", "deleted"]);
    const left = await engine.rows(sql`
      SELECT FROM inline_objects JOIN files ON files.id = file_id WHERE files.job_id = ${jobId}::uuid AND origin = 'intermediate'`);
    expect(left).toEqual([]);
    const histories = await clone.database.asTenant(tenantId, (transaction) => readJobHistories(transaction, [jobId]));
    expect(histories.get(jobId)).toMatchObject({ isDeleted: true, steps: { all: [{ processor: "archive.zip", version: "2" }] } });
  });

  test("of a job of whose files none is left, nothing of it is", async () => {
    const [a = ""] = await put("a.txt");
    const jobId = await run(STATS, [a]);
    await engine.rows(sql`UPDATE files SET status = 'deleted' WHERE job_id = ${jobId}::uuid`);
    await deleteJob(clone.database, { tenantId, jobId, actor: "key_test" });
    expect(shown(await ask(a))).toEqual([]);
    expect(await engine.rows(sql`SELECT FROM outputs WHERE job_id = ${jobId}::uuid`)).toEqual([]);
  });
});

describe("bounds", () => {
  test("a depth and a limit say that there is more, and the nearest links come first", async () => {
    const [a = "", b = ""] = await put("a.txt", "b.txt");
    const [zip = ""] = await outputsOf(await run(PACKED, [a, b]), "all");
    const near = await ask(zip, { depth: 1 });
    expect(near.edges.map((edge) => edge.step)).toEqual(["all"]);
    expect(near.truncated).toBe(true);
    expect((await ask(zip, { depth: 2 })).truncated).toBe(false);
    for (const limit of [1, 2, 3]) {
      const few = await ask(zip, { limit });
      expect(few.edges.reduce((sum, edge) => sum + edge.inputs.length, 0)).toBe(limit);
      expect(few.truncated).toBe(true);
    }
    expect((await ask(zip, { limit: 4 })).truncated).toBe(false);
  });

  test("a gather of 200,000 files costs no more than what is shown of it", async () => {
    const other = await engine.tenant();
    const files = Array.from({ length: 200_000 }, () => uuidv7());
    const [made = ""] = await engine.files(other, 1);
    const jobId = uuidv7();
    await clone.database.asSystem(async (transaction) => {
      const [taskId] = await insertTasks(transaction, [
        {
          ...{ tenantId: other, jobId, stage: 0, kind: "gather", lane: "none", priority: 0, maxAttempts: 1 },
          entries: files.map((fileId, ordinal) => ({ ordinal, parent: -1, fileId, from: "" })),
        },
      ]);
      await transaction.execute(sql`
        INSERT INTO outputs (job_id, ordinal, step, part, tenant_id, task_id, epoch, file_id, processor, processor_version, kept, inputs)
        VALUES (${jobId}::uuid, 0, 'all', 0, ${other}::uuid, ${taskId}::uuid, 1, ${made}::uuid, 'archive.zip', '2', true, '{}')`);
    });
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    const started = performance.now();
    const up = await ask(made, { limit: 1_000 }, other);
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(up.edges[0]?.inputs).toEqual(files.slice(0, 1_000));
    expect(up.edges[0]?.inputsTotal).toBe(200_000);
    expect(up.truncated).toBe(true);
    expect(process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - before).toBeLessThan(16 * 2 ** 20);
    await engine.rows(sql`
      INSERT INTO files (id, tenant_id, name, size_bytes, sha256, media_type, origin)
      VALUES (${files[150_000]}::uuid, ${other}::uuid, 'far', 1, sha256('x'), 'text/plain', 'upload')`);
    expect(shown(await ask(files[150_000] ?? "", {}, other))).toEqual(["far > all > file"]);
  });
});

test("another tenant's files have no history, and lend none", async () => {
  const [a = ""] = await put("a.txt");
  const jobId = await run(PACKED, [a]);
  const [zip = ""] = await outputsOf(jobId, "all");
  const stranger = await engine.tenant();
  await expect(ask(zip, {}, stranger)).rejects.toThrow("no such file");
  // Even a row that claims another's file as its input gives nothing away.
  const [own = ""] = await engine.files(stranger, 1);
  await engine.rows(sql`
    INSERT INTO outputs (job_id, ordinal, step, part, tenant_id, task_id, epoch, file_id, processor, processor_version, kept, inputs)
    VALUES (${uuidv7()}::uuid, 0, 's', 0, ${stranger}::uuid, ${uuidv7()}::uuid, 1, ${own}::uuid, 'p', '1', true, ARRAY[${zip}::uuid])`);
  const found = await ask(own, {}, stranger);
  expect(found.files.find((file) => file.id === zip)).toMatchObject({ name: null, sha256: null });
  expect((await ask(zip)).files.map((file) => file.id)).not.toContain(own);
});
