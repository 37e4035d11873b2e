import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeId } from "@filemill/contract/ids.ts";
import { sql } from "../../src/db/sql.ts";
import { newKeyText } from "../../src/tenants/key-format.ts";
import { cloneDatabase, type ClonedDatabase } from "../database.ts";
import { rawTar } from "../tars.ts";
import { answerOf } from "../test-app.ts";
import { expectConsistent } from "./consistency.ts";
import { IN_BULK, IN_REQUESTS, UPLOAD_AFTER, UPLOAD_BEFORE } from "./places.ts";
import { endProcesses, startApiProcess, startWorkerProcess, type Installation, type RealProcess } from "./processes.ts";

/**
 * An API process is killed in the middle of a request. Another one shows that nothing is half there, and the same request
 * again has one effect in all.
 */
const key = newKeyText();
let clone: ClonedDatabase;
let folder: string;
let at: Installation;
let healthy: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  folder = await mkdtemp(join(tmpdir(), "filemill-failpoints-"));
  at = { databaseUrl: clone.url, storeFolder: join(folder, "store"), dataFolder: folder };
  healthy = await urlOf(startApiProcess(at, { key }));
});
afterAll(async () => {
  await endProcesses();
  await clone.close();
  await rm(folder, { recursive: true, force: true });
});

async function urlOf(api: RealProcess): Promise<string> {
  return `http://127.0.0.1:${await api.port}/api/v1`;
}

const call = (url: string, path: string, init: RequestInit = {}) => {
  const headers = new Headers(init.headers);
  headers.set("authorization", `Bearer ${key}`);
  return fetch(`${url}${path}`, { ...init, headers });
};

/** Sends the request to a process that dies of it, unanswered. */
async function dieOf(failpoint: string, request: (url: string) => Promise<Response>): Promise<void> {
  const api = startApiProcess(at, { key, failpoint: `${failpoint}:kill` });
  await expect(request(await urlOf(api)), failpoint).rejects.toThrow();
  expect((await api.exited).signal, `${failpoint} was not reached:\n${api.output()}`).toBe("SIGKILL");
}

const CONTENTS = ["a".repeat(40_000), "b".repeat(70_000), "small"];
const PIPELINE = { steps: { stats: { use: "text.stats" } } };

function upload(url: string, marker: string): Promise<Response> {
  const form = new FormData();
  CONTENTS.forEach((content, index) => form.append("file", new Blob([content]), `${index}.txt`));
  form.append("pipeline", JSON.stringify(PIPELINE));
  form.append("metadata", JSON.stringify({ case: marker }));
  return call(url, "/files", { method: "POST", body: form, headers: { "idempotency-key": marker } });
}

async function seen(marker: string): Promise<{ files: number; jobs: number }> {
  const [files, jobs] = await Promise.all(
    ["files", "jobs"].map(async (what) => (await answerOf(await call(healthy, `/${what}?metadata.case=${marker}`))).data.length),
  );
  return { files: files ?? -1, jobs: jobs ?? -1 };
}

async function newFile(content = "x".repeat(40_000)): Promise<string> {
  const answer = await answerOf(await call(healthy, "/files/in.txt", { method: "PUT", body: content }));
  return answer.files[0]?.id ?? "";
}

const order = (url: string, { marker, inputs, pipeline = PIPELINE }: { marker: string; inputs: string[]; pipeline?: object }) =>
  call(url, "/jobs", {
    method: "POST",
    body: JSON.stringify({ pipeline, inputs, metadata: { case: marker } }),
    headers: { "content-type": "application/json", "idempotency-key": marker },
  });

async function newJob(marker: string, pipeline: object = PIPELINE): Promise<string> {
  return (await answerOf(await order(healthy, { marker, inputs: [await newFile()], pipeline }))).job_id;
}

const statusOf = async (jobId: string) => (await answerOf(await call(healthy, `/jobs/${jobId}`))).status;

async function auditOf(action: string, object: string): Promise<number> {
  const rows = await clone.database.asSystem((transaction) =>
    transaction.query(sql`SELECT FROM audit_entries WHERE action = ${action} AND object = ${object}`),
  );
  return rows.length;
}

async function taskStatuses(jobId: string): Promise<string[]> {
  const rows = await clone.database.asSystem((transaction) =>
    transaction.query<{ status: string }>(sql`SELECT status FROM tasks WHERE job_id = ${decodeId("job", jobId)}::uuid`),
  );
  return rows.map((row) => row.status);
}

describe("an API that is killed", { timeout: 60_000 }, () => {
  test.each([...UPLOAD_BEFORE, ...UPLOAD_AFTER])("in an upload at %s", async (failpoint) => {
    await dieOf(failpoint, (url) => upload(url, failpoint));
    const isThere = (UPLOAD_AFTER as readonly string[]).includes(failpoint);
    expect(await seen(failpoint)).toEqual(isThere ? { files: 3, jobs: 1 } : { files: 0, jobs: 0 });
    const [first, second] = [await upload(healthy, failpoint), await upload(healthy, failpoint)];
    expect([first.status, second.status]).toEqual([202, 202]);
    expect(await second.json()).toEqual(await first.json());
    expect(await seen(failpoint)).toEqual({ files: 3, jobs: 1 });
  });

  test.each(IN_BULK)("in the second batch of a bulk upload at %s", async (failpoint) => {
    const names = Array.from({ length: 1_200 }, (_none, no) => `${no}.txt`);
    // One of them too large for its row, so that its object is there before the row is.
    const content = (no: number) => Buffer.from(no === 800 ? "x".repeat(50_000) : `content ${no}`);
    const body = rawTar(names.map((name, no) => ({ name, content: content(no) })));
    const bulk = (url: string) =>
      call(url, `/files/bulk?metadata.case=${failpoint}`, { method: "POST", body, headers: { "idempotency-key": failpoint } });
    const stored = async () =>
      (
        await clone.database.asSystem((transaction) =>
          transaction.query<{ name: string }>(sql`SELECT name FROM files WHERE metadata->>'case' = ${failpoint} ORDER BY id`),
        )
      ).map(({ name }) => name);
    const api = startApiProcess(at, { key, failpoint: `${failpoint}:kill:2` });
    await expect(bulk(await urlOf(api))).rejects.toThrow();
    expect((await api.exited).signal).toBe("SIGKILL");
    // Two batches are recorded at a time, and which of them is first nobody knows; each is there whole or not at all.
    const there = await stored();
    const batches = [names.slice(0, 500), names.slice(500, 1_000), names.slice(1_000)];
    expect(there).toEqual(batches.filter(([first]) => there.includes(first ?? "")).flat());
    // Before: the one that died is not there. After: two are, and the last may have been on its way.
    if (failpoint === "bulk-before-commit") expect(there.length).toBeLessThan(names.length);
    else expect(there.length).toBeGreaterThanOrEqual(700);
    const [first, second] = [await bulk(healthy), await bulk(healthy)];
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(await second.json()).toEqual(await first.json());
    expect(await stored()).toEqual(names);
  });

  /** Each sends its request to a process that dies of it, looks, and sends it again. */
  const scenarios: Record<(typeof IN_REQUESTS)[number], (failpoint: string) => Promise<void>> = {
    "job-before-commit": (failpoint) => jobRequest(failpoint, 0),
    "job-after-commit": (failpoint) => jobRequest(failpoint, 1),
    "cancel-before-commit": (failpoint) => cancellation(failpoint, "queued"),
    "cancel-between-job-and-tasks": (failpoint) => cancellation(failpoint, "cancelled"),
    "cancel-after-tasks": (failpoint) => cancellation(failpoint, "cancelled"),
    "retry-before-commit": (failpoint) => retry(failpoint, { status: "failed", again: 200 }),
    "retry-after-commit": (failpoint) => retry(failpoint, { status: "running", again: 409 }),
    "delete-before-commit": (failpoint) => fileDeletion(failpoint, { content: 200, again: 204 }),
    "delete-after-commit": (failpoint) => fileDeletion(failpoint, { content: 404, again: 404 }),
    "job-delete-before-commit": (failpoint) => jobDeletion(failpoint, { job: 200, again: 204 }),
    "job-delete-after-commit": (failpoint) => jobDeletion(failpoint, { job: 404, again: 404 }),
    "pipeline-before-commit": (failpoint) => pipelinePut(failpoint, { stored: 404, again: 201 }),
    "pipeline-after-commit": (failpoint) => pipelinePut(failpoint, { stored: 200, again: 200 }),
    "pipeline-delete-before-commit": (failpoint) => pipelineDeletion(failpoint, { left: 200, again: 204 }),
    "pipeline-delete-after-commit": (failpoint) => pipelineDeletion(failpoint, { left: 404, again: 404 }),
  };

  test.each(IN_REQUESTS)("at %s", (failpoint) => scenarios[failpoint](failpoint));

  test("has left nothing in the store that garbage collection does not find", async () => {
    await expectConsistent(clone.database, at.storeFolder);
  });
});

async function jobRequest(failpoint: string, jobs: number): Promise<void> {
  const inputs = [await newFile()];
  await dieOf(failpoint, (url) => order(url, { marker: failpoint, inputs }));
  expect((await seen(failpoint)).jobs).toBe(jobs);
  const [first, second] = [await order(healthy, { marker: failpoint, inputs }), await order(healthy, { marker: failpoint, inputs })];
  expect(await second.json()).toEqual(await first.json());
  expect((await seen(failpoint)).jobs).toBe(1);
}

async function cancellation(failpoint: string, status: string): Promise<void> {
  const jobId = await newJob(failpoint);
  await dieOf(failpoint, (url) => call(url, `/jobs/${jobId}/cancel`, { method: "POST" }));
  expect(await statusOf(jobId)).toBe(status);
  expect((await call(healthy, `/jobs/${jobId}/cancel`, { method: "POST" })).status).toBe(200);
  expect(await statusOf(jobId)).toBe("cancelled");
  expect(await taskStatuses(jobId)).toEqual(["cancelled"]);
  expect(await auditOf("job.cancel", jobId)).toBe(1);
}

async function retry(failpoint: string, { status, again }: { status: string; again: number }): Promise<void> {
  const lane = failpoint;
  const jobId = await newJob(failpoint, { steps: { fail: { use: "demo.fail", lane } } });
  const worker = startWorkerProcess(at, { lanes: [lane] });
  await expect.poll(() => statusOf(jobId), { timeout: 30_000, interval: 100 }).toBe("failed");
  worker.signal("SIGTERM");
  await worker.exited;
  await dieOf(failpoint, (url) => call(url, `/jobs/${jobId}/retry`, { method: "POST" }));
  expect(await statusOf(jobId)).toBe(status);
  expect((await call(healthy, `/jobs/${jobId}/retry`, { method: "POST" })).status).toBe(again);
  expect(await statusOf(jobId)).toBe("running");
  expect(await taskStatuses(jobId)).toEqual(["ready"]);
  expect(await auditOf("job.retry", jobId)).toBe(1);
}

async function fileDeletion(failpoint: string, { content, again }: { content: number; again: number }): Promise<void> {
  const id = await newFile("d".repeat(40_000));
  await dieOf(failpoint, (url) => call(url, `/files/${id}`, { method: "DELETE" }));
  const answer = await call(healthy, `/files/${id}/content`);
  expect(answer.status).toBe(content);
  if (content === 200) expect(await answer.text()).toBe("d".repeat(40_000));
  expect((await call(healthy, `/files/${id}`, { method: "DELETE" })).status).toBe(again);
  expect((await call(healthy, `/files/${id}/content`)).status).toBe(404);
  expect(await auditOf("file.delete", id)).toBe(1);
}

async function jobDeletion(failpoint: string, { job, again }: { job: number; again: number }): Promise<void> {
  const jobId = await newJob(failpoint);
  expect((await call(healthy, `/jobs/${jobId}/cancel`, { method: "POST" })).status).toBe(200);
  await dieOf(failpoint, (url) => call(url, `/jobs/${jobId}`, { method: "DELETE" }));
  expect((await call(healthy, `/jobs/${jobId}`)).status).toBe(job);
  expect((await call(healthy, `/jobs/${jobId}`, { method: "DELETE" })).status).toBe(again);
  expect((await call(healthy, `/jobs/${jobId}`)).status).toBe(404);
  expect(await taskStatuses(jobId)).toEqual([]);
  expect(await auditOf("job.delete", jobId)).toBe(1);
}

async function pipelinePut(failpoint: string, { stored, again }: { stored: number; again: number }): Promise<void> {
  const put = (url: string) => putPipeline(url, failpoint);
  await dieOf(failpoint, put);
  expect((await call(healthy, `/pipelines/${failpoint}`)).status).toBe(stored);
  const answer = await put(healthy);
  expect(answer.status).toBe(again);
  expect(await answer.json()).toMatchObject({ version: 1 });
  expect(await auditOf("pipeline.put", `${failpoint}@1`)).toBe(1);
}

async function pipelineDeletion(failpoint: string, { left, again }: { left: number; again: number }): Promise<void> {
  const path = `/pipelines/${failpoint}`;
  expect((await putPipeline(healthy, failpoint)).status).toBe(201);
  await dieOf(failpoint, (url) => call(url, path, { method: "DELETE" }));
  expect((await call(healthy, path)).status).toBe(left);
  expect((await call(healthy, path, { method: "DELETE" })).status).toBe(again);
  expect(await auditOf("pipeline.delete", failpoint)).toBe(1);
}

function putPipeline(url: string, name: string): Promise<Response> {
  return call(url, `/pipelines/${name}`, {
    method: "PUT",
    body: JSON.stringify(PIPELINE),
    headers: { "content-type": "application/json" },
  });
}
