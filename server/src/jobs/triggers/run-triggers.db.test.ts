import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { decodeId } from "@filemill/contract/ids.ts";
import type { PipelineDocument, Trigger } from "@filemill/contract/pipeline.ts";
import { pino } from "pino";
import { v7 as uuidv7 } from "uuid";
import { openEngine, type Engine } from "../../../test/engine/engine.ts";
import { rawTar } from "../../../test/tars.ts";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { sql } from "../../db/sql.ts";
import { runTriggers } from "./run-triggers.ts";

let app: TestApp;
let engine: Engine;
let tenant: TestTenant;
beforeAll(async () => {
  app = await startTestApp();
  engine = openEngine(app.cloned.database);
});
afterAll(() => app.close());
beforeEach(async () => {
  tenant = await app.tenant();
});

const services = () => ({ database: app.cloned.database, catalogue: app.services.catalogue, log: pino({ level: "silent" }) });

/** Files that came a moment ago have come long ago. */
async function round(): Promise<void> {
  await engine.rows(sql`UPDATE arrived_files SET arrived_at = arrived_at - interval '10 seconds'`);
  await runTriggers(services());
}

const STATS: PipelineDocument = { steps: { stats: { use: "text.stats" } } };

async function pipeline(name: string, triggers: readonly Omit<Trigger, "on">[], document = STATS, as = tenant): Promise<Response> {
  const given = triggers.map((trigger) => ({ on: "file.stored", ...trigger }));
  const body = JSON.stringify({ ...document, ...(given.length > 0 && { triggers: given }) });
  return await as.fetch(`/pipelines/${name}`, { method: "PUT", headers: { "content-type": "application/json" }, body });
}

async function put(name: string, content = name, as = tenant): Promise<string> {
  const answer = await answerOf(await as.fetch(`/files/${name}`, { method: "PUT", body: content }));
  return decodeId("file", answer.files[0]?.id ?? "") ?? "";
}

interface Triggered {
  readonly pipeline: string;
  readonly files: string[];
  readonly depth: number | null;
}

async function triggered(of = tenant): Promise<Triggered[]> {
  return await engine.rows<Triggered>(sql`
    SELECT pipeline_name AS pipeline, (SELECT array_agg(file::text ORDER BY place) FROM (
        SELECT file, row_number() OVER () AS place FROM task_inputs, unnest(files) AS file WHERE task_inputs.job_id = jobs.id) AS inputs) AS files,
      (SELECT depth FROM triggered_jobs WHERE job_id = jobs.id) AS depth
    FROM jobs WHERE tenant_id = ${of.id}::uuid ORDER BY jobs.id`);
}

async function eventsOf(type: string): Promise<object[]> {
  return (
    await engine.rows<{ data: object }>(sql`SELECT data FROM events WHERE tenant_id = ${tenant.id}::uuid AND type = ${type} ORDER BY id`)
  ).map(({ data }) => data);
}

describe("a pipeline with a trigger", () => {
  test("runs over every new file that matches, once, and over none that was there before", async () => {
    await put("before.txt");
    expect((await pipeline("mine", [{ name: "*.txt" }])).status).toBe(201);
    const [a, , b] = [await put("a.txt"), await put("b.bin"), await put("c.txt")];
    await round();
    await round();
    expect(await triggered()).toEqual([{ pipeline: "mine", files: [a, b], depth: 1 }]);
    expect((await (await tenant.fetch("/jobs?metadata.trigger=mine")).json()) as object).toMatchObject({
      data: [{ metadata: { trigger: "mine" } }],
    });
  });

  test("runs beside others, and each in its latest version", async () => {
    await pipeline("one", [{}]);
    await pipeline("two", [{ media_type: ["image/*"] }]);
    await pipeline("two", [{ media_type: ["text/*"], params: {} }]);
    const a = await put("a.txt");
    await round();
    expect(await triggered()).toEqual([
      { pipeline: "one", files: [a], depth: 1 },
      { pipeline: "two", files: [a], depth: 1 },
    ]);
    const [two] = await engine.rows(sql`SELECT pipeline_version FROM jobs WHERE tenant_id = ${tenant.id}::uuid AND pipeline_name = 'two'`);
    expect(two).toEqual({ pipeline_version: 2 });
  });

  test("runs no more once it is stored without triggers, or deleted", async () => {
    await pipeline("one", [{}]);
    await pipeline("two", [{}]);
    await put("a.txt");
    await pipeline("one", []);
    await tenant.fetch("/pipelines/two", { method: "DELETE" });
    await put("b.txt");
    await round();
    expect(await triggered()).toEqual([]);
    expect(await engine.rows(sql`SELECT FROM arrived_files WHERE tenant_id = ${tenant.id}::uuid`)).toEqual([]);
    await pipeline("two", [{}]);
    const c = await put("c.txt");
    await round();
    expect(await triggered()).toEqual([{ pipeline: "two", files: [c], depth: 1 }]);
  });

  test("runs over files that come in a form, with a job of their own, and in an archive", async () => {
    await pipeline("mine", [{}]);
    const form = new FormData();
    form.append("file", new Blob(["a"]), "a.txt");
    form.append("file", new Blob(["b".repeat(40_000)]), "b.txt");
    form.append("pipeline", JSON.stringify(STATS));
    expect((await tenant.fetch("/files", { method: "POST", body: form })).status).toBe(202);
    const tar = rawTar(["x.txt", "y.txt", "z.txt"].map((name) => ({ name, content: Buffer.from(name) })));
    expect((await tenant.fetch("/files/bulk", { method: "POST", body: tar })).status).toBe(201);
    await round();
    const jobs = (await triggered()).filter(({ depth }) => depth !== null);
    expect(jobs.map(({ files }) => files.length)).toEqual([5]);
  });

  test("is told of in an event where it can't run, and does not try the same files again", async () => {
    await pipeline("mine", [{}]);
    await put("a.txt");
    await engine.rows(sql`
      UPDATE pipelines SET document = jsonb_set(document, '{steps,stats,use}', '"text.gone"') WHERE tenant_id = ${tenant.id}::uuid`);
    await round();
    await round();
    expect(await triggered()).toEqual([]);
    expect(await eventsOf("trigger.failed")).toMatchObject([{ pipeline: "mine", files: 1, code: "validation_failed" }]);
  });
});

describe("what triggers nothing", () => {
  test("files of other tenants", async () => {
    await pipeline("mine", [{}]);
    const other = await app.tenant();
    await put("a.txt", "a", other);
    await round();
    expect([await triggered(), await triggered(other)]).toEqual([[], []]);
    expect(await engine.rows(sql`SELECT FROM arrived_files WHERE tenant_id = ${other.id}::uuid`)).toEqual([]);
  });

  test("files that are deleted before anybody looked", async () => {
    await pipeline("mine", [{}]);
    const answer = await answerOf(await tenant.fetch("/files/a.txt", { method: "PUT", body: "a" }));
    await tenant.fetch(`/files/${answer.files[0]?.id}`, { method: "DELETE" });
    await round();
    expect(await triggered()).toEqual([]);
  });

  test("an upload that was rolled back", async () => {
    await pipeline("mine", [{}]);
    await expect(
      engine.database.asTenant(tenant.id, async (transaction) => {
        await insertOutput(transaction, { job: null, origin: "upload" });
        throw new Error("cut");
      }),
    ).rejects.toThrow("cut");
    expect(await engine.rows(sql`SELECT FROM arrived_files WHERE tenant_id = ${tenant.id}::uuid`)).toEqual([]);
  });
});

type Transacted = Parameters<Parameters<Engine["database"]["asTenant"]>[1]>[0];

async function insertOutput(transaction: Transacted, { job, origin }: { job: string | null; origin: string }): Promise<string> {
  const id = uuidv7();
  await transaction.execute(sql`
    INSERT INTO files (id, tenant_id, name, size_bytes, sha256, media_type, origin, job_id)
    VALUES (${id}::uuid, ${tenant.id}::uuid, 'out.json', 1, sha256('x'), 'application/json', ${origin}, ${job}::uuid)`);
  return id;
}

describe("outputs of jobs", () => {
  const output = (job: string | null) => engine.database.asSystem((transaction) => insertOutput(transaction, { job, origin: "output" }));
  const newest = async () =>
    (await engine.rows<{ id: string }>(sql`SELECT id FROM jobs WHERE tenant_id = ${tenant.id}::uuid ORDER BY id DESC LIMIT 1`))[0]?.id ??
    "";

  test("trigger nothing unless that is asked for", async () => {
    await pipeline("mine", [{}]);
    await put("a.txt");
    await round();
    await output(await newest());
    await round();
    expect(await triggered()).toHaveLength(1);
  });

  test("trigger a pipeline that asks for them until so many jobs lie one behind the other", async () => {
    await pipeline("loop", [{ outputs: { max_depth: 3 } }]);
    await put("a.txt");
    for (let turn = 0; turn < 5; turn++) {
      await round();
      await output(await newest());
    }
    await round();
    expect((await triggered()).map(({ depth }) => depth)).toEqual([1, 2, 3]);
  });

  test("that only cross a stage boundary are nobody's files", async () => {
    await pipeline("loop", [{ outputs: { max_depth: 3 } }]);
    await engine.database.asSystem((transaction) => insertOutput(transaction, { job: uuidv7(), origin: "intermediate" }));
    await round();
    expect(await triggered()).toEqual([]);
  });
});

describe("many files at once", () => {
  test("ten thousand that come together are one job, whatever the number of rounds at once", async () => {
    await pipeline("mine", [{}]);
    await engine.files(tenant.id, 10_000);
    await engine.rows(sql`UPDATE arrived_files SET arrived_at = arrived_at - interval '10 seconds'`);
    await Promise.all(Array.from({ length: 5 }, () => runTriggers(services())));
    await round();
    const jobs = await triggered();
    expect(jobs.map(({ files }) => new Set(files).size)).toEqual([10_000]);
  });

  test("nothing is taken while they keep coming, but for two seconds at most", async () => {
    await pipeline("mine", [{}]);
    const age = (oldest: string, newest: string) =>
      engine.rows(sql`
        UPDATE arrived_files SET arrived_at = now() - CASE WHEN file_id = (SELECT min(file_id::text)::uuid FROM arrived_files)
          THEN ${oldest}::interval ELSE ${newest}::interval END`);
    await engine.files(tenant.id, 3);
    await age("1500 ms", "0 ms");
    expect((await runTriggers(services())).more).toBe(true);
    expect(await triggered()).toEqual([]);
    await age("2100 ms", "0 ms");
    await runTriggers(services());
    expect((await triggered()).map(({ files }) => files.length)).toEqual([3]);
  });

  test("a trigger that takes few files makes as many jobs as that takes, each file in one", async () => {
    await pipeline("mine", [{ max_files: 2 }]);
    await engine.files(tenant.id, 301);
    // A hundred jobs a round.
    await round();
    expect(await triggered()).toHaveLength(100);
    await round();
    const jobs = await triggered();
    expect(jobs.map(({ files }) => files.length).filter((files) => files !== 2)).toEqual([1]);
    expect(new Set(jobs.flatMap(({ files }) => files)).size).toBe(301);
  });
});

describe("patterns that take long", () => {
  test("are held against few files at a time, and against all in the end", async () => {
    const slow = `*${"a".repeat(198)}b`;
    await pipeline(
      "slow",
      Array.from({ length: 20 }, () => ({ name: slow })),
    );
    await pipeline("mine", [{ name: "file" }]);
    await engine.files(tenant.id, 300);
    await round();
    expect((await triggered()).map(({ files }) => files.length)).toEqual([249]);
    await round();
    expect((await triggered()).map(({ files }) => files.length)).toEqual([249, 51]);
  });

  test("are of a hundred pipelines at most", async () => {
    await engine.rows(sql`
      INSERT INTO pipeline_triggers (tenant_id, pipeline_name, triggers, takes_outputs)
      SELECT ${tenant.id}::uuid, 'p' || n, '[]', false FROM generate_series(1, 100) AS n`);
    expect((await pipeline("one-more", [{}])).status).toBe(409);
    expect((await pipeline("p7", [{}])).status).toBe(201);
  });
});

describe("triggers that can't be", () => {
  const needing: PipelineDocument = {
    params: { type: "object", properties: { sql: { type: "string" } }, required: ["sql"] },
    steps: { q: { use: "table.query", with: { sql: "${params.sql}", format: "csv" } } },
  };
  test.each<[string, object[], PipelineDocument, string]>([
    ["another event", [{ on: "file.deleted" }], STATS, "/triggers/0/on"],
    ["an unknown condition", [{ size: "1KiB" }], STATS, "/triggers/0/size"],
    ["no media type", [{ media_type: ["text"] }], STATS, "/triggers/0/media_type/0"],
    ["more depth than there may be", [{ outputs: { max_depth: 11 } }], STATS, "/triggers/0/outputs/max_depth"],
    ["sizes that exclude each other", [{ min_size: "2KiB", max_size: "1KiB" }], STATS, "/triggers/0/max_size"],
    ["parameters that nobody gives", [{}], needing, "/triggers/0/params/sql"],
    ["a name that is too long", [{ name: "x".repeat(201) }], STATS, "/triggers/0/name"],
    ["too many of them", Array.from({ length: 21 }, () => ({})), STATS, "/triggers"],
  ])("%s is refused", async (_what, triggers, document, pointer) => {
    const answer = await answerOf(await pipeline("bad", triggers, document));
    expect([answer.code, answer.issues?.map((issue) => issue.pointer)]).toEqual(["validation_failed", [pointer]]);
  });

  test("parameters that the trigger gives are the job's", async () => {
    expect((await pipeline("mine", [{ params: { sql: "SELECT 1" } }], needing)).status).toBe(201);
    await put("a.csv", "a,b\n1,2\n");
    await round();
    const [spec] = await engine.rows(sql`SELECT params FROM job_specs WHERE tenant_id = ${tenant.id}::uuid`);
    expect(spec).toEqual({ params: { sql: "SELECT 1" } });
  });
});
