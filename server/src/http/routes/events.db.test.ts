import { encodeId } from "@filemill/contract/ids.ts";
import type { EventMessage } from "@filemill/contract/events.ts";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";
import { sql } from "../../db/sql.ts";
import { appendEvents } from "../../record/events.ts";

let running: TestApp;
let tenant: TestTenant;

beforeAll(async () => {
  running = await startTestApp();
  tenant = await running.tenant();
});

afterAll(async () => {
  await running.close();
});

type Message = EventMessage & { id: string | undefined };

/** Everything that a stream says, as it comes. */
async function follow(path: string, headers: Record<string, string> = {}, who = tenant) {
  const stop = new AbortController();
  const response = await who.fetch(path, { headers, signal: stop.signal });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  const messages: Message[] = [];
  const ended = (async () => {
    let text = "";
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const blocks = (text + chunk).split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data !== undefined) messages.push({ ...JSON.parse(data), id: /^id: (.*)$/m.exec(block)?.[1] });
      }
    }
    return "ended";
  })().catch(() => "broken");
  const kinds = () => messages.filter((message) => message.type !== "job.progress").map((message) => message.type);
  return { messages, kinds, ended, stop: () => stop.abort() };
}

async function newJob(who = tenant): Promise<string> {
  const id = uuidv7();
  await running.cloned.database.asSystem(async (transaction) => {
    await transaction.execute(sql`
      INSERT INTO jobs (id, tenant_id, pipeline_name, input_items, input_bytes, next_ordinal)
      VALUES (${id}::uuid, ${who.id}::uuid, 'p', 4, 4, 4)`);
    await transaction.execute(sql`
      INSERT INTO job_specs (job_id, tenant_id, document, params, plan, metadata)
      VALUES (${id}::uuid, ${who.id}::uuid, '{}', '{}', '{"stages":[{"no":0,"feeders":[]}]}', '{}')`);
    await transaction.execute(sql`
      INSERT INTO job_stages (job_id, stage, tenant_id, kind, open_tasks, items_in) VALUES (${id}::uuid, 0, ${who.id}::uuid, 'map', 4, 4)`);
    await appendEvents(transaction, [{ tenantId: who.id, jobId: id, type: "job.queued", data: { pipeline: "p" } }]);
  });
  return id;
}

async function become(jobId: string, status: "running" | "completed" | "failed"): Promise<void> {
  await running.cloned.database.asSystem(async (transaction) => {
    await transaction.execute(sql`UPDATE jobs SET status = ${status}, started_at = coalesce(started_at, now()),
      finished_at = CASE WHEN ${status} = 'running' THEN NULL ELSE now() END WHERE id = ${jobId}::uuid`);
    await appendEvents(transaction, [{ tenantId: tenant.id, jobId, type: `job.${status}`, data: { left: "a trace" } }]);
  });
}

async function succeed(jobId: string, items: number): Promise<void> {
  await running.cloned.database.asSystem((transaction) =>
    transaction.execute(sql`UPDATE job_stages SET items_succeeded = ${items} WHERE job_id = ${jobId}::uuid`),
  );
}

const eventsOf = (jobId: string) => `/jobs/${encodeId("job", jobId)}/events`;

test("a job is followed from its start to its end: history, progress, the end, and the stream closes", async () => {
  const jobId = await newJob();
  await become(jobId, "running");
  const stream = await follow(eventsOf(jobId));
  await vi.waitFor(() => expect(stream.kinds()).toEqual(["job.queued", "job.running"]), { timeout: 5_000 });
  await succeed(jobId, 2);
  await vi.waitFor(
    () =>
      expect(stream.messages.at(-1)).toMatchObject({ type: "job.progress", data: { progress: 50, counts: { succeeded: 2, total: 4 } } }),
    {
      timeout: 5_000,
    },
  );
  // A fan-out adds items: fewer percent are done, but the bar does not go back.
  await running.cloned.database.asSystem((transaction) =>
    transaction.execute(sql`UPDATE job_stages SET items_in = 8 WHERE job_id = ${jobId}::uuid`),
  );
  await vi.waitFor(() => expect(stream.messages.at(-1)?.data).toMatchObject({ progress: 50, counts: { total: 8 } }), { timeout: 5_000 });
  await become(jobId, "completed");
  expect(await stream.ended).toBe("ended");
  expect(stream.kinds()).toEqual(["job.queued", "job.running", "job.completed"]);
  expect(stream.messages.every((message) => message.job_id === encodeId("job", jobId))).toBe(true);
  expect(stream.messages.every((message) => (message.type === "job.progress") === (message.id === undefined))).toBe(true);
});

test("Last-Event-ID goes on behind what arrived; behind the end the end is said once more", async () => {
  const jobId = await newJob();
  await become(jobId, "running");
  await become(jobId, "completed");
  const whole = await follow(eventsOf(jobId));
  expect(await whole.ended).toBe("ended");
  const ids = whole.messages.filter((message) => message.id !== undefined).map((message) => message.id ?? "");
  const rest = await follow(eventsOf(jobId), { "last-event-id": ids[0] ?? "" });
  expect(await rest.ended).toBe("ended");
  expect(rest.kinds()).toEqual(["job.running", "job.completed"]);
  const over = await follow(eventsOf(jobId), { "last-event-id": ids[2] ?? "" });
  expect(await over.ended).toBe("ended");
  expect(over.kinds()).toEqual(["job.completed"]);
  expect(over.messages.at(-1)).toEqual(whole.messages.at(-1));
  expect(over.messages.at(-1)).toMatchObject({ id: ids[2], data: { left: "a trace" } });
});

test("where the history is gone, the end still has an id", async () => {
  const jobId = await newJob();
  await become(jobId, "running");
  await become(jobId, "completed");
  await running.cloned.database.asSystem((transaction) => transaction.execute(sql`DELETE FROM events WHERE job_id = ${jobId}::uuid`));
  const stream = await follow(eventsOf(jobId));
  expect(await stream.ended).toBe("ended");
  expect(stream.messages).toMatchObject([{ type: "job.completed", job_id: encodeId("job", jobId), id: expect.stringMatching(/./) }]);
});

test("the end before a retry does not end the stream", async () => {
  const jobId = await newJob();
  await become(jobId, "running");
  await become(jobId, "failed");
  await become(jobId, "running");
  const stream = await follow(eventsOf(jobId));
  await vi.waitFor(() => expect(stream.kinds()).toEqual(["job.queued", "job.running", "job.running"]), { timeout: 5_000 });
  await become(jobId, "completed");
  expect(await stream.ended).toBe("ended");
  expect(stream.kinds().at(-1)).toBe("job.completed");
});

test("the tenant's stream tells from now on, of all its jobs and of nobody else's", async () => {
  const old = await newJob();
  const other = await running.tenant();
  const quiet = await follow("/events", {}, other);
  const stream = await follow("/events");
  const jobId = await newJob();
  await become(jobId, "running");
  await vi.waitFor(() => expect(stream.kinds().slice(-2)).toEqual(["job.queued", "job.running"]), { timeout: 5_000 });
  await vi.waitFor(
    () =>
      expect(stream.messages.some((message) => message.type === "job.progress" && message.job_id === encodeId("job", jobId))).toBe(true),
    {
      timeout: 5_000,
    },
  );
  const otherJob = await newJob(other);
  await vi.waitFor(() => expect(quiet.kinds()).toEqual(["job.queued"]), { timeout: 5_000 });
  expect(quiet.messages.every((message) => message.job_id === encodeId("job", otherJob))).toBe(true);
  expect(stream.messages.some((message) => message.job_id === encodeId("job", otherJob))).toBe(false);
  expect(old).not.toBe(jobId);
  stream.stop();
  quiet.stop();
});

test("a foreign job, a job that is not there and a bad Last-Event-ID are refused before the stream begins", async () => {
  const foreign = await newJob(await running.tenant());
  expect((await tenant.fetch(eventsOf(foreign))).status).toBe(404);
  expect((await tenant.fetch("/jobs/job_x/events")).status).toBe(404);
  const bad = await tenant.fetch("/events", { headers: { "last-event-id": "1; DROP TABLE" } });
  expect(bad.status).toBe(400);
  expect(await bad.json()).toMatchObject({ code: "validation_failed" });
});
