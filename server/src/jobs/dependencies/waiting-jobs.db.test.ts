import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { decodeId, encodeId } from "@filemill/contract/ids.ts";
import type { JobResource } from "@filemill/contract/jobs.ts";
import { pino } from "pino";
import { v7 as uuidv7 } from "uuid";
import { openEngine, type Engine } from "../../../test/engine/engine.ts";
import { startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { sql } from "../../db/sql.ts";
import { startWaitingJobs } from "./start-waiting.ts";

const ONE = { steps: { stats: { use: "text.stats" } } };

let app: TestApp;
let engine: Engine;
let tenant: TestTenant;
let file: string;
beforeAll(async () => {
  app = await startTestApp();
  engine = openEngine(app.cloned.database);
});
afterAll(() => app.close());
beforeEach(async () => {
  tenant = await app.tenant();
  [file = ""] = await newFiles(1);
});

async function newFiles(count: number): Promise<string[]> {
  return (await engine.files(tenant.id, count)).map((id) => encodeId("file", id));
}

const start = () => startWaitingJobs({ database: app.cloned.database, log: pino({ level: "silent" }) });

function post(body: object, as: TestTenant = tenant): Promise<Response> {
  return as.fetch("/jobs", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
}

async function submit(body: object): Promise<string> {
  const answer = await post({ pipeline: ONE, inputs: [file], ...body });
  expect(answer.status).toBe(202);
  const { job_id } = (await answer.json()) as { job_id: string };
  return job_id;
}

async function job(id: string): Promise<JobResource> {
  return (await (await tenant.fetch(`/jobs/${id}`)).json()) as JobResource;
}

const cancel = (id: string) => tenant.fetch(`/jobs/${id}/cancel`, { method: "POST" });

/** How this job ends, in one statement as the engine does it. */
async function end(id: string, status: "completed" | "failed"): Promise<void> {
  await engine.database.asSystem((transaction) =>
    transaction.execute(sql`UPDATE jobs SET status = ${status}, finished_at = now() WHERE id = ${decodeId("job", id)}::uuid`),
  );
}

describe("a job after others", () => {
  test("has no task before all of them have ended, and is told apart from one that only waits for a worker", async () => {
    const [a, b] = [await submit({}), await submit({})];
    const c = await submit({ after: [a, b] });
    await end(a, "completed");
    await start();
    const waiting = await job(c);
    expect(waiting).toMatchObject({ status: "queued", progress: 0, counts: { total: 1, waiting: 1 }, estimated_completion: null });
    expect(waiting.after).toEqual({
      policy: "completed",
      waiting: true,
      jobs: [
        { job_id: a, outcome: "completed" },
        { job_id: b, outcome: null },
      ],
    });
    expect((await (await tenant.fetch(`/jobs/${c}/tasks`)).json()) as object).toMatchObject({ data: [] });

    await end(b, "completed");
    expect((await start()).lanes).toEqual(new Set(["default"]));
    expect((await job(c)).after?.waiting).toBe(false);
    const tasks = await engine.claim({ want: 100 });
    expect(tasks.map((task) => encodeId("job", task.jobId)).filter((id) => id === c)).toHaveLength(1);
    await engine.settle(tasks, (task) => ({ type: "done", results: task.entries.map(() => ({ ok: true, outputs: [] })) }));
    expect(await job(c)).toMatchObject({ status: "completed", counts: { total: 1, succeeded: 1 } });
  });

  test("starts in the next round where they have ended already", async () => {
    const a = await submit({});
    await end(a, "completed");
    const b = await submit({ after: [a, a] });
    await start();
    expect((await job(b)).after).toEqual({ policy: "completed", waiting: false, jobs: [{ job_id: a, outcome: "completed" }] });
  });

  test.each(["failed", "cancelled"] as const)(
    "is cancelled with a reason where one has %s, and so are those behind it",
    async (outcome) => {
      const a = await submit({});
      const b = await submit({ after: [a] });
      const c = await submit({ after: [b] });
      if (outcome === "cancelled") await cancel(a);
      else await end(a, "failed");
      await start();
      const after = await job(b);
      expect(after).toMatchObject({ status: "cancelled", error: { code: "input_dead" }, counts: { total: 1, cancelled: 1 } });
      expect(after.error?.message).toContain(a);
      await start();
      expect((await job(c)).status).toBe("cancelled");
    },
  );

  test("does not wait for the others once one has failed", async () => {
    const [a, b] = [await submit({}), await submit({})];
    const c = await submit({ after: [a, b] });
    await end(b, "failed");
    await start();
    expect((await job(c)).status).toBe("cancelled");
  });

  test('starts however they ended with after_policy "finished"', async () => {
    const [a, b, d] = [await submit({}), await submit({}), await submit({})];
    const c = await submit({ after: [a, b, d], after_policy: "finished" });
    await end(a, "failed");
    await cancel(b);
    await start();
    expect((await job(c)).after?.waiting).toBe(true);
    await end(d, "completed");
    await start();
    expect((await job(c)).after).toMatchObject({ waiting: false, policy: "finished" });
  });

  test("is not lost where a job before it is deleted", async () => {
    const a = await submit({});
    const b = await submit({ after: [a] });
    await cancel(a);
    expect((await tenant.fetch(`/jobs/${a}`, { method: "DELETE" })).status).toBe(204);
    await start();
    expect(await job(b)).toMatchObject({ status: "cancelled", error: { code: "input_dead" } });
  });

  test("stays cancelled where somebody cancels it while it waits, and can be deleted", async () => {
    const a = await submit({});
    const b = await submit({ after: [a] });
    expect((await cancel(b)).status).toBe(200);
    await end(a, "completed");
    await start();
    expect(await job(b)).toMatchObject({ status: "cancelled", error: null, after: { waiting: false } });
    expect((await tenant.fetch(`/jobs/${b}`, { method: "DELETE" })).status).toBe(204);
    await start();
  });

  test("keeps its inputs from being deleted while it waits", async () => {
    const a = await submit({ inputs: await newFiles(1) });
    await submit({ after: [a] });
    expect((await tenant.fetch(`/files/${file}`, { method: "DELETE" })).status).toBe(409);
  });

  test("can wait with a source, which is not asked before it starts", async () => {
    const a = await submit({});
    const b = await submit({ inputs: undefined, source: { kind: "generate", count: 3 }, after: [a] });
    expect(await job(b)).toMatchObject({ status: "queued", source: null });
    await end(a, "completed");
    await start();
    expect(await job(b)).toMatchObject({ counts: { total: 3, waiting: 3 }, source: { kind: "generate" } });
  });

  test("is made once for an Idempotency-Key, and refused for another wait under the same one", async () => {
    const [a, b] = [await submit({}), await submit({})];
    const send = (after: string[]) =>
      tenant.fetch("/jobs", {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": "once" },
        body: JSON.stringify({ pipeline: ONE, inputs: [file], after }),
      });
    const answers = [await send([a]), await send([a]), await send([b])];
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 422]);
    const ids = await Promise.all(answers.slice(0, 2).map(async (answer) => ((await answer.json()) as { job_id: string }).job_id));
    expect(new Set(ids).size).toBe(1);
  });
});

describe("the outputs of other jobs as inputs", () => {
  /** Outputs as the engine records them: step, and how many files. */
  async function giveOutputs(id: string, steps: readonly string[]): Promise<string[]> {
    const jobId = decodeId("job", id);
    const files = await engine.files(tenant.id, steps.length);
    await engine.database.asSystem((transaction) =>
      transaction.execute(sql`
        INSERT INTO outputs (job_id, ordinal, step, part, tenant_id, task_id, epoch, file_id, processor, processor_version, kept, inputs)
        SELECT ${jobId}::uuid, place, step, 0, ${tenant.id}::uuid, ${uuidv7()}::uuid, 1, file_id, 'x', '1', true, '{}'
        FROM unnest(${steps}::text[], ${files}::uuid[]) WITH ORDINALITY AS given(step, file_id, place)`),
    );
    return files;
  }

  async function inputsOf(id: string): Promise<string[]> {
    const rows = await engine.rows<{ files: string[] }>(
      sql`SELECT files::text[] AS files FROM task_inputs WHERE job_id = ${decodeId("job", id)}::uuid ORDER BY task_id`,
    );
    return rows.flatMap(({ files }) => files);
  }

  const two = { steps: { big: { use: "text.stats" }, small: { use: "text.stats" } } };

  test("come in their order, of all steps or of those that are named, from several jobs", async () => {
    const [a, b] = [await submit({ pipeline: two }), await submit({ pipeline: two })];
    const c = await submit({ inputs: undefined, inputs_from: [{ job: b }, { job: a, steps: ["small"] }] });
    const [big = "", small = ""] = await giveOutputs(a, ["big", "small"]);
    const ofB = await giveOutputs(b, ["small", "big", "small"]);
    await end(a, "completed");
    await start();
    expect(await inputsOf(c)).toEqual([]);
    await end(b, "completed");
    await start();
    expect(await inputsOf(c)).toEqual([...ofB, small]);
    expect(await inputsOf(c)).not.toContain(big);
    expect(await job(c)).toMatchObject({ counts: { total: 4 }, after: { jobs: [{ job_id: a }, { job_id: b }] } });
  });

  test("that are gone by then are left out; a job with nothing to do completes", async () => {
    const a = await submit({});
    const b = await submit({ inputs: undefined, inputs_from: { job: a } });
    const [gone = ""] = await giveOutputs(a, ["stats"]);
    await engine.database.asSystem((transaction) => transaction.execute(sql`UPDATE files SET status = 'deleted' WHERE id = ${gone}::uuid`));
    await end(a, "completed");
    await start();
    expect(await job(b)).toMatchObject({ status: "completed", counts: { total: 0 } });
  });

  test("are refused where the step is none of the job's outputs, or where inputs are given as well", async () => {
    const a = await submit({ pipeline: two });
    const wrong = await post({ pipeline: ONE, inputs_from: { job: a, steps: ["smal"] } });
    expect([wrong.status, await wrong.json()]).toMatchObject([400, { issues: [{ pointer: "/inputs_from/0/steps" }] }]);
    const both = await post({ pipeline: ONE, inputs: [file], inputs_from: { job: a } });
    expect([both.status, await both.json()]).toMatchObject([400, { issues: [{ pointer: "/inputs_from" }] }]);
  });
});

describe("what can't be waited for", () => {
  test("a job of another tenant answers exactly as one that never was", async () => {
    const other = await app.tenant();
    const foreign = await submit({});
    const bodies = [];
    for (const id of [foreign, encodeId("job", uuidv7()), "job_x", "file_0"]) {
      const answer = await post({ pipeline: ONE, source: { kind: "generate", count: 1 }, after: [id] }, other);
      bodies.push([answer.status, (await answer.text()).replaceAll(id, "ID").replace(/"instance":"[^"]*"/, "")]);
    }
    expect(bodies[0]?.[0]).toBe(404);
    expect(new Set(bodies.map((body) => JSON.stringify(body))).size).toBe(1);
  });

  test.each([
    [{ after: [] }, "/after"],
    [{ after: Array.from({ length: 101 }, () => "job_x") }, "/after"],
    [{ after_policy: "finished" }, "/after_policy"],
    [{ after: ["job_x"], after_policy: "always" }, "/after_policy"],
    [{ inputs_from: [] }, "/inputs_from"],
  ])("%j is refused", async (part, pointer) => {
    const answer = await post({ pipeline: ONE, inputs: "inputs_from" in part ? undefined : [file], ...part });
    const body = (await answer.json()) as { issues: { pointer: string }[] };
    expect([answer.status, body.issues[0]?.pointer]).toEqual([400, pointer]);
  });

  test("a job that a thousand wait for already", async () => {
    const a = await submit({});
    const uuid = decodeId("job", a);
    await engine.database.asSystem((transaction) =>
      transaction.execute(sql`
        WITH many AS (
          INSERT INTO jobs (id, tenant_id, pipeline_name, input_items, next_ordinal)
          SELECT gen_random_uuid(), ${tenant.id}::uuid, 'x', 0, 0 FROM generate_series(1, 1000) RETURNING id)
        INSERT INTO job_dependencies (job_id, tenant_id, after_job_id) SELECT id, ${tenant.id}::uuid, ${uuid}::uuid FROM many`),
    );
    expect((await post({ pipeline: ONE, inputs: [file], after: [a] })).status).toBe(409);
  });
});
