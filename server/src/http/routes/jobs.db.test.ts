import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fromBuffer } from "yauzl";
import { JobAccepted, JobResource } from "@filemill/contract/jobs.ts";
import { decodeId, encodeId } from "@filemill/contract/ids.ts";
import { openEngine, failed, map, type Engine } from "../../../test/engine/engine.ts";
import { startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { sql } from "../../db/sql.ts";
import { recordOutputs } from "../../outputs/record.ts";

let test: TestApp;
let engine: Engine;
let tenant: TestTenant;
beforeAll(async () => {
  test = await startTestApp();
  engine = openEngine(test.cloned.database);
  tenant = await test.tenant("admin");
});
afterAll(() => test.close());

const SPLIT = { steps: { report: { use: "text.stats", batch: { items: 1 } } } };

/** Sends small files and gives their ids. */
async function files(owner: TestTenant, ...contents: string[]): Promise<string[]> {
  const form = new FormData();
  contents.forEach((content, index) => form.append("file", new Blob([content]), `file-${index}.txt`));
  const answer = await owner.fetch("/files", { method: "POST", body: form });
  expect(answer.status).toBe(201);
  const body = await bodyOf<{ files: { id: string }[] }>(answer);
  return body.files.map(({ id }) => id);
}

async function bodyOf<T>(answer: Response): Promise<T> {
  return (await answer.json()) as T;
}

function post(owner: TestTenant, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } };
  return owner.fetch(path, { method: "POST", ...json });
}

async function order(inputs: string[], more: Record<string, unknown> = {}): Promise<JobAccepted> {
  const answer = await post(tenant, "/jobs", { pipeline: SPLIT, inputs, ...more });
  expect(answer.status).toBe(202);
  return JobAccepted.parse(await answer.json());
}

async function look(id: string): Promise<JobResource> {
  return JobResource.parse(await (await tenant.fetch(`/jobs/${id}`)).json());
}

describe("POST /jobs", () => {
  it("accepts a job over files in the order given, and shows it", async () => {
    const inputs = (await files(tenant, "one", "two")).toReversed();
    const accepted = await order(inputs, { metadata: { album: "sea" }, priority: 7 });
    expect(accepted).toMatchObject({ status: "queued", files: inputs.map((id) => ({ id })) });
    expect(await look(accepted.job_id)).toMatchObject({
      id: accepted.job_id,
      status: "queued",
      progress: 0,
      priority: 7,
      pipeline: { name: "inline", version: null },
      counts: { total: 2, waiting: 2 },
      metadata: { album: "sea", items: 2 },
      output_files: [],
    });
    const listed = await bodyOf<{ data: { id: string }[] }>(await tenant.fetch("/jobs?metadata.album=sea&status=queued"));
    expect(listed.data.map(({ id }) => id)).toEqual([accepted.job_id]);
  });

  it("makes one job for one Idempotency-Key", async () => {
    const inputs = await files(tenant, "x");
    const send = (body: unknown) => post(tenant, "/jobs", body, { "idempotency-key": "k-1" });
    const answers = await Promise.all([1, 2, 3].map(() => send({ pipeline: SPLIT, inputs })));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
    const texts = await Promise.all(answers.map((answer) => answer.text()));
    expect(new Set(texts).size).toBe(1);
    const other = await send({ pipeline: SPLIT, inputs, priority: 1 });
    expect(other.status).toBe(422);
    expect(await other.json()).toMatchObject({ code: "idempotency_key_reused" });
  });

  it("says what is wrong with a document that came with it, and names every file that is not there", async () => {
    const inputs = await files(tenant, "x");
    const bad = await post(tenant, "/jobs", { pipeline: { steps: { a: { use: "text.stat" } } }, inputs });
    expect(bad.status).toBe(400);
    expect(await bad.json()).toMatchObject({ issues: [{ pointer: "/pipeline/steps/a/use", suggestion: 'Did you mean "text.stats"?' }] });
    const foreign = await files(await test.tenant(), "theirs");
    const absent = encodeId("file", randomUUID());
    const missing = await post(tenant, "/jobs", { pipeline: SPLIT, inputs: [foreign[0], inputs[0], absent, "nonsense"] });
    expect(missing.status).toBe(404);
    const { issues } = await bodyOf<{ issues: { pointer: string }[] }>(missing);
    expect(issues.map(({ pointer }) => pointer)).toEqual(["/inputs/0", "/inputs/2", "/inputs/3"]);
    const unknown = await post(tenant, "/jobs", { pipeline: "thumbnials", inputs });
    expect(await unknown.json()).toMatchObject({ code: "not_found", detail: expect.stringContaining('"thumbnails"') });
  });

  it("is not for a key that may only read", async () => {
    const reader = await test.tenant("read-only");
    expect((await post(reader, "/jobs", { pipeline: SPLIT, inputs: ["x"] })).status).toBe(403);
  });
});

describe("a job", () => {
  it("is cancelled, and deleted only once it has ended", async () => {
    const { job_id } = await order(await files(tenant, "x"));
    const early = await tenant.fetch(`/jobs/${job_id}`, { method: "DELETE" });
    expect([early.status, await early.json()]).toMatchObject([409, { code: "conflict" }]);
    const cancelled = await post(tenant, `/jobs/${job_id}/cancel`);
    expect([cancelled.status, await cancelled.json()]).toMatchObject([200, { status: "cancelled", counts: { cancelled: 1 } }]);
    expect((await tenant.fetch(`/jobs/${job_id}?outputs=delete`, { method: "DELETE" })).status).toBe(204);
    expect((await tenant.fetch(`/jobs/${job_id}`)).status).toBe(404);
    expect(await engine.rows(sql`SELECT 1 FROM tasks WHERE job_id = ${decodeId("job", job_id)}`)).toEqual([]);
  });

  it("shows its items and tasks page by page, is retried, and its dead letters are redriven", async () => {
    await engine.drain();
    const { job_id } = await order(await files(tenant, "a", "b", "c"));
    await engine.drain(map(() => failed({ class: "bad_input", step: "report" })));
    expect(await look(job_id)).toMatchObject({ status: "failed", counts: { dead: 3 }, error: { step: "report" } });
    for (const part of ["items", "tasks"]) {
      const first = await bodyOf<{ data: unknown[]; next_cursor: string }>(await tenant.fetch(`/jobs/${job_id}/${part}?limit=2`));
      const second = await bodyOf<{ data: unknown[]; next_cursor: null }>(
        await tenant.fetch(`/jobs/${job_id}/${part}?limit=2&cursor=${first.next_cursor}`),
      );
      expect([first.data.length, second.data.length, second.next_cursor]).toEqual([2, 1, null]);
      expect((await tenant.fetch(`/jobs/${job_id}/${part}?cursor=bm8`)).status).toBe(400);
    }
    const letters = await bodyOf<{ data: { id: string; job_id: string }[] }>(await tenant.fetch("/admin/dead-letters"));
    const own = letters.data.filter((task) => task.job_id === job_id);
    expect(own).toHaveLength(3);
    const redriven = await post(tenant, "/admin/dead-letters/redrive", { task_ids: [own[0]?.id] });
    expect([redriven.status, await redriven.json()]).toEqual([200, { tasks: 1 }]);
    expect(await look(job_id)).toMatchObject({ status: "running", counts: { dead: 2, waiting: 1 } });
    const retried = await post(tenant, `/jobs/${job_id}/retry`);
    expect([retried.status, await retried.json()]).toMatchObject([200, { status: "running", counts: { dead: 0, waiting: 3 } }]);
    expect((await post(await test.tenant("admin"), "/admin/dead-letters/redrive", { task_ids: [own[0]?.id] })).status).toBe(404);
  });

  it("gives its outputs in order, and all of them in one zip with names that are safe", async () => {
    await engine.drain();
    const sources = await files(tenant, "first", "second", "third");
    const { job_id } = await order(sources);
    const jobId = decodeId("job", job_id) ?? "";
    const rows = sources.map((id, index) => ({
      jobId,
      ordinal: index,
      step: "report",
      part: 0,
      tenantId: tenant.id,
      taskId: randomUUID(),
      epoch: 1,
      fileId: decodeId("file", id) ?? "",
      processor: "text.stats",
      processorVersion: "1",
      kept: true,
      inputs: [],
      reusedFrom: null,
    }));
    await test.cloned.database.asSystem(async (transaction) => {
      await recordOutputs(transaction, rows.toReversed());
      await transaction.execute(sql`UPDATE files SET name = '../up.txt' WHERE id = ANY(${rows.slice(1).map((row) => row.fileId)}::uuid[])`);
    });
    const job = await look(job_id);
    expect(job.output_files.map(({ id, step, url }) => [id, step, url])).toEqual(
      sources.map((id) => [id, "report", `/api/v1/files/${id}/content`]),
    );
    const zip = await tenant.fetch(`/jobs/${job_id}/outputs.zip`);
    expect([zip.status, zip.headers.get("content-type")]).toEqual([200, "application/zip"]);
    expect(await unzip(Buffer.from(await zip.arrayBuffer()))).toEqual([
      ["report/file-0.txt", "first"],
      ["report/up.txt", "second"],
      ["report/up (2).txt", "third"],
    ]);
  });

  it("of another tenant is not there", async () => {
    const { job_id } = await order(await files(tenant, "x"));
    const other = await test.tenant("admin");
    const calls: [string, string][] = [
      ["GET", ""],
      ["GET", "/items"],
      ["GET", "/tasks"],
      ["GET", "/outputs.zip"],
      ["GET", "/profiles"],
      ["POST", "/cancel"],
      ["POST", "/retry"],
      ["DELETE", ""],
    ];
    for (const [method, path] of calls) {
      const answer = await other.fetch(`/jobs/${job_id}${path}`, { method });
      expect([method, path, answer.status, await answer.json()]).toMatchObject([
        method,
        path,
        404,
        { detail: `There is no job "${job_id}".` },
      ]);
    }
  });
});

describe("/admin/queues", () => {
  it("counts for operators, and for nobody else", async () => {
    expect((await tenant.fetch("/admin/queues")).status).toBe(403);
    const operator = await test.tenant("operator");
    expect(await (await operator.fetch("/admin/queues/none")).json()).toEqual({ lane: "none", ready: 0, running: 0 });
    await order(await files(tenant, "x"));
    const { data } = await bodyOf<{ data: { lane: string; ready: number }[] }>(await operator.fetch("/admin/queues"));
    expect(data.find(({ lane }) => lane === "default")?.ready).toBeGreaterThan(0);
  });
});

function unzip(bytes: Buffer): Promise<[name: string, content: string][]> {
  return new Promise((resolve, reject) => {
    const found: [string, string][] = [];
    fromBuffer(bytes, { lazyEntries: true }, (error, zip) => {
      if (error) return reject(error);
      zip.on("error", reject);
      zip.on("end", () => resolve(found));
      zip.on("entry", (entry: { fileName: string }) => {
        zip.openReadStream(entry as never, async (failure, stream) => {
          if (failure) return reject(failure);
          const chunks = await stream.toArray();
          found.push([entry.fileName, Buffer.concat(chunks).toString()]);
          zip.readEntry();
        });
      });
      zip.readEntry();
    });
  });
}
