import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeId } from "@filemill/contract/ids.ts";
import type { ScheduleResource } from "@filemill/contract/schedules.ts";
import { v7 as uuidv7 } from "uuid";
import { answerOf, startTestApp, type TestApp, type TestTenant } from "../../../test/test-app.ts";

const PIPELINE = { steps: { stats: { use: "text.stats" } } };
const SOUND = { pipeline: PIPELINE, source: { kind: "generate", count: 1 }, cron: "0 3 * * *" };

let app: TestApp;
let tenant: TestTenant;
beforeAll(async () => {
  app = await startTestApp();
  tenant = await app.tenant();
});
afterAll(() => app.close());

function send(method: string, path: string, body: object = {}, as = tenant): Promise<Response> {
  return as.fetch(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
}

const jsonOf = async (response: Response) => (await response.json()) as ScheduleResource;

describe("schedules", () => {
  test("are made, listed, replaced, renamed and deleted, by name or by id", async () => {
    const made = await send("POST", "/schedules", { ...SOUND, name: "b-second", time_zone: "Asia/Kolkata" });
    expect(made.status).toBe(201);
    const { id, next_run } = await jsonOf(made);
    expect(next_run).toMatch(/T21:30:00.000Z$/);
    expect((await send("PUT", "/schedules/a-first", SOUND)).status).toBe(201);
    const list = (await (await tenant.fetch("/schedules?limit=1")).json()) as { data: ScheduleResource[]; next_cursor: string };
    expect(list.data.map(({ name }) => name)).toEqual(["a-first"]);
    const rest = (await (await tenant.fetch(`/schedules?cursor=${list.next_cursor}`)).json()) as typeof list;
    expect([rest.data.map(({ name }) => name), rest.next_cursor]).toEqual([["b-second"], null]);

    const replaced = await send("PUT", `/schedules/${id}`, { ...SOUND, name: "c-third", overlap: "skip", missed: "skip" });
    expect([replaced.status, await jsonOf(replaced)]).toMatchObject([
      200,
      { id, name: "c-third", overlap: "skip", missed: "skip", time_zone: "UTC", last_run: null, source: { kind: "generate", count: 1 } },
    ]);
    expect((await tenant.fetch("/schedules/b-second")).status).toBe(404);
    expect((await send("PUT", "/schedules/c-third", { ...SOUND, name: "a-first" })).status).toBe(409);
    expect((await send("POST", "/schedules", { ...SOUND, name: "a-first" })).status).toBe(409);
    expect((await tenant.fetch(`/schedules/${id}`, { method: "DELETE" })).status).toBe(204);
    expect((await tenant.fetch("/schedules/c-third", { method: "DELETE" })).status).toBe(404);
  });

  test("two of one name at once are one", async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => send("POST", "/schedules", { ...SOUND, name: "twin" })));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, ...Array.from({ length: 7 }, () => 409)]);
  });

  test("say when they come due next, stored or not, paused or not", async () => {
    await send("PUT", "/schedules/paused", { ...SOUND, cron: "0 12 1 1 *", paused: true });
    const of = async (response: Response) => ((await response.json()) as { data: string[] }).data;
    const stored = await of(await tenant.fetch("/schedules/paused/next?count=2"));
    expect(stored.map((time) => time.slice(4))).toEqual(["-01-01T12:00:00.000Z", "-01-01T12:00:00.000Z"]);
    const looked = await of(await send("POST", "/schedules/next", { cron: "*/10 * * * * *", time_zone: "Europe/Berlin" }));
    expect(looked).toHaveLength(5);
    expect(looked.every((time) => time.endsWith("0.000Z"))).toBe(true);
    const readOnly = await tenant.keyWithRole("read-only");
    const asReader = {
      ...tenant,
      fetch: (path: string, init: RequestInit = {}) =>
        fetch(`${app.url}/api/v1${path}`, {
          ...init,
          headers: { ...Object.fromEntries(new Headers(init.headers)), authorization: `Bearer ${readOnly}` },
        }),
    };
    expect((await send("POST", "/schedules/next", { cron: "@daily" }, asReader)).status).toBe(200);
    expect((await send("PUT", "/schedules/paused", SOUND, asReader)).status).toBe(403);
    expect((await send("POST", "/schedules/paused/run", {}, asReader)).status).toBe(403);
  });

  test("leave every step in the audit log", async () => {
    const { id } = await jsonOf(await send("PUT", "/schedules/audited", SOUND));
    for (const verb of ["pause", "pause", "resume"]) await send("POST", `/schedules/audited/${verb}`);
    await tenant.fetch("/schedules/audited", { method: "DELETE" });
    const actions = await app.cloned.database.asSystem((transaction) =>
      transaction.query<{ action: string }>({ text: "SELECT action FROM audit_entries WHERE object = $1 ORDER BY id", values: [id] }),
    );
    expect(actions.map(({ action }) => action)).toEqual(["schedule.put", "schedule.pause", "schedule.resume", "schedule.delete"]);
  });

  test("of another tenant answer exactly as ones that never were", async () => {
    const { id } = await jsonOf(await send("PUT", "/schedules/secret", SOUND));
    const other = await app.tenant();
    const absent = encodeId("schedule", uuidv7());
    const calls = [
      ["GET", ""],
      ["DELETE", ""],
      ["PUT", ""],
      ["POST", "/pause"],
      ["POST", "/resume"],
      ["POST", "/run"],
      ["GET", "/next"],
    ] as const;
    for (const [method, path] of calls) {
      const bodies = [];
      for (const key of [id, absent]) {
        const answer =
          method === "GET" ? await other.fetch(`/schedules/${key}${path}`) : await send(method, `/schedules/${key}${path}`, SOUND, other);
        bodies.push([answer.status, (await answer.text()).replaceAll(key, "ID").replace(/"instance":"[^"]*"/, "")]);
      }
      expect([method, path, bodies[0]]).toEqual([method, path, bodies[1]]);
      expect(bodies[0]?.[0]).toBe(404);
    }
    expect((await tenant.fetch("/schedules/secret")).status).toBe(200);
  });
});

describe("schedules that can't be", () => {
  test.each<[string, object, string]>([
    ["no cron expression", { cron: undefined }, "/cron"],
    ["one that is none", { cron: "every day" }, "/cron"],
    ["one that never comes due", { cron: "0 0 31 2 *" }, "/cron"],
    ["one that is too long", { cron: `${"1,".repeat(100)}1 * * * *` }, "/cron"],
    ["a time zone that is none", { time_zone: "Mars/Olympus" }, "/time_zone"],
    ["an unknown policy", { missed: "sometimes" }, "/missed"],
    ["no inputs", { source: undefined }, "/inputs"],
    ["inputs and a source", { inputs: ["file_x"] }, "/source"],
    ["a name in the path's place that is none", { name: "Not a name" }, "/name"],
    ["an unknown key", { every: "day" }, "/every"],
    ["a pipeline with a mistake", { pipeline: { steps: { a: { use: "text.stat" } } } }, "/pipeline/steps/a/use"],
    ["a name with NUL", { metadata: { a: "\0" } }, "/metadata/a"],
  ])("%s is refused", async (_what, part, pointer) => {
    const answer = await answerOf(await send("PUT", "/schedules/bad", { ...SOUND, ...part }));
    expect([answer.code, answer.issues.map((issue) => issue.pointer)]).toEqual(["validation_failed", [pointer]]);
  });

  test("what they name must be there", async () => {
    expect((await send("PUT", "/schedules/bad", { ...SOUND, pipeline: "no-such" })).status).toBe(404);
    expect((await send("PUT", "/schedules/bad", { ...SOUND, source: undefined, inputs: ["file_x"] })).status).toBe(404);
    const other = await app.tenant();
    const upload = await answerOf(await other.fetch("/files/list.txt", { method: "PUT", body: "http://127.0.0.1/" }));
    const theirs = { kind: "urls", file: upload.files[0]?.id };
    expect((await send("PUT", "/schedules/bad", { ...SOUND, source: theirs })).status).toBe(404);
    expect((await tenant.fetch("/schedules/bad")).status).toBe(404);
  });

  test("names and bodies of ten megabytes are refused before they are looked at", async () => {
    const large = "a".repeat(10 * 2 ** 20);
    expect((await send("POST", "/schedules", { ...SOUND, name: large })).status).toBe(413);
    expect((await send("POST", "/schedules/next", { cron: large })).status).toBe(413);
    expect((await tenant.fetch(`/schedules/${"a".repeat(5_000)}`)).status).toBeLessThan(500);
  });
});
