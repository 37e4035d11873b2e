import { freePort } from "@filemill/sdk/local-platform.ts";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { chance } from "../chaos/seed.ts";
import { until } from "../chaos/conditions.ts";
import { startPlatform, type Platform } from "../platform.ts";
import { startApp, type AppProcess } from "./app-process.ts";
import { averagesClient, type AveragesClient } from "./averages-client.ts";
import { crashRun } from "./averages-crash.ts";
import { averagesOf, treeTasks, tasksOf } from "./averages-model.ts";

/** The app over its port; the platform behind it is looked at only to count what was done, and killed at. */
let platform: Platform;
let app: AppProcess;
let client: AveragesClient;

beforeAll(async () => {
  platform = await startPlatform();
  app = await startApp("averages", { FILEMILL_URL: platform.url, FILEMILL_KEY: platform.key });
  client = averagesClient(app.url);
}, 180_000);

afterAll(async () => {
  expect(await app?.stop(), app?.log()).toBe(0);
  await platform?.stop();
}, 60_000);

const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
const fieldError = (path: string, msg: string) => ({ type: "field", msg, path, location: "body" });

describe("a job", () => {
  test("begins at once, goes forward only, and its result is the exact averages", { timeout: 120_000 }, async () => {
    const begun = await client.order(13, 7);
    const id = begun._id;
    const asked = { _id: expect.any(String), noOfFiles: 13, noOfEntriesPerFile: 7, totalTasks: 4 };
    expect(begun).toEqual({
      ...asked,
      progress: expect.any(Number),
      status: expect.stringMatching(/^(Generating Files|Processing|Aggregating|Completed)$/),
      filePaths: expect.any(Array),
      outputFilePath: begun.status === "Completed" ? expect.any(String) : null,
      processingStartTime: begun.processingStartTime === null ? null : ISO,
      processingCompleteTime: begun.processingCompleteTime === null ? null : ISO,
    });
    const { job, statuses } = await client.followed(id);
    expect(statuses.at(-1)).toBe("Completed");
    expect(job).toEqual({
      ...asked,
      _id: id,
      progress: 100,
      status: "Completed",
      filePaths: Array.from({ length: 13 }, (_unused, ordinal) => `/files/${id}/numbers-${ordinal}.txt`),
      outputFilePath: `/files/${id}/final.txt`,
      processingStartTime: ISO,
      processingCompleteTime: ISO,
    });
    const files = await Promise.all(job.filePaths.map(client.text));
    for (const file of files) expect(file).toMatch(/^([1-9]\d?|100)( ([1-9]\d?|100)){6}\n?$/);
    expect(await client.text(job.outputFilePath ?? "")).toBe(averagesOf(files));
    expect((await client.ask("GET", "/jobs")).body).toContainEqual(job);

    const paths = { outputBySystemFilePath: `/files/${id}/final.txt`, linearFilePath: `/files/${id}/linear.txt` };
    const both = await Promise.all([client.validate(id), client.validate(id)]);
    for (const { status, body } of both) expect([status, body]).toEqual([200, { isSame: true, ...paths }]);
    expect(await client.text(paths.linearFilePath)).toBe(averagesOf(files));
  });

  test("of 1,000 files has 251 sums, in groups of five, and passes through its statuses", { timeout: 180_000 }, async () => {
    const { _id: id, totalTasks } = await client.order(1_000, 20);
    expect(totalTasks).toBe(251);
    const { statuses } = await client.followed(id);
    // The shortest of them may fall between two looks.
    expect(statuses.length).toBeGreaterThanOrEqual(3);
    expect([statuses[0], statuses.at(-1)]).toEqual(["Generating Files", "Completed"]);
    expect(await treeTasks(platform.client, id)).toBe(251);
    const outputs = await Array.fromAsync(platform.client.jobs.outputs(id));
    expect(new Set(outputs.map((file) => file.id)).size).toBe(1_001);
    expect(outputs.filter((file) => file.name === "final.txt")).toHaveLength(1);
    expect(await client.validate(id)).toMatchObject({ status: 200, body: { isSame: true } });
  });

  test("with a wrong result is found out", { timeout: 120_000 }, async () => {
    // Goes before the built-in one, and gives sums.
    const steps = {
      files: { use: "numbers.generate", with: { count: "${params.columns}", seed: "${params.seed}" } },
      mean: { use: "numbers.sum", needs: ["files"], fan_in: 5 },
    };
    const params = { type: "object", properties: { columns: { type: "integer" }, seed: { type: "integer" } } };
    await platform.client.pipelines.put("averages", { params, steps, outputs: ["files", "mean"] });
    onTestFinished(() => platform.client.pipelines.remove("averages"));
    const { _id: id } = await client.order(6, 3);
    await client.followed(id);
    expect(await client.validate(id)).toMatchObject({ status: 200, body: { isSame: false } });
  });

  test("costs tasks in proportion to its files", { timeout: 120_000 }, async () => {
    const [few, many] = await Promise.all([client.order(100, 5), client.order(400, 5)]);
    await Promise.all([client.followed(few._id), client.followed(many._id)]);
    const [fewTasks, manyTasks] = [await tasksOf(platform.client, few._id), await tasksOf(platform.client, many._id)];
    expect(await treeTasks(platform.client, many._id)).toBe(101);
    expect(manyTasks).toBeLessThanOrEqual(4.5 * fewTasks);
  });

  test("is deleted with all that it has made, also while it runs", { timeout: 120_000 }, async () => {
    const kept = await client.order(6, 3);
    const { _id: id } = await client.order(12, 4);
    const { job } = await client.followed(id);
    await client.validate(id);
    const [linear] = (await platform.client.files.list({ metadata: { averages_linear: id } }).page()).data;
    const outputs = await Array.fromAsync(platform.client.jobs.outputs(id));
    const made = [...outputs.map((file) => file.id), linear?.id ?? ""];
    expect(made).toHaveLength(14);

    expect(await client.ask("DELETE", `/jobs/${id}`)).toEqual({ status: 204, body: undefined });
    const gone = { status: 404, body: { error: `Job ${id} not found` } };
    for (const [method, path] of [
      ["GET", `/jobs/${id}`],
      ["DELETE", `/jobs/${id}`],
      ["POST", `/jobs/${id}/linear-validator`],
      ...[...job.filePaths, job.outputFilePath ?? "", `/files/${id}/linear.txt`].map((file) => ["GET", file] as const),
    ] as const) {
      expect(await client.ask(method, path)).toEqual(gone);
    }
    for (const file of made) await expect(platform.client.files.content(file)).rejects.toMatchObject({ code: "not_found" });

    const running = await client.order(400, 50);
    expect((await client.ask("DELETE", `/jobs/${running._id}`)).status).toBe(204);
    expect((await client.ask("GET", `/jobs/${running._id}`)).status).toBe(404);
    await until("no task of it waits", 30_000, async () => (await client.ask("GET", "/queues/tasks")).body?.["noOfTasks" as never] === 0);
    expect((await client.followed(kept._id)).job.status).toBe("Completed");
  });
});

describe("what is refused", () => {
  const FILES = fieldError("noOfFiles", "noOfFiles must be a whole number from 1 to 100000");
  const ENTRIES = fieldError("noOfEntriesPerFile", "noOfEntriesPerFile must be a whole number from 1 to 1000000");
  const PRODUCT = fieldError("noOfEntriesPerFile", "noOfFiles × noOfEntriesPerFile must be at most 100000000, not 100001000");
  test.each([
    [{ noOfFiles: 0, noOfEntriesPerFile: 5 }, [FILES]],
    [{ noOfFiles: -3, noOfEntriesPerFile: 5 }, [FILES]],
    [{ noOfFiles: 2.5, noOfEntriesPerFile: 5 }, [FILES]],
    [{ noOfFiles: "many", noOfEntriesPerFile: 5 }, [FILES]],
    [{ noOfFiles: 100_001, noOfEntriesPerFile: 1 }, [FILES]],
    [{ noOfFiles: 5, noOfEntriesPerFile: 0 }, [ENTRIES]],
    [{ noOfFiles: 1, noOfEntriesPerFile: 1_000_001 }, [ENTRIES]],
    [{ noOfFiles: 1_000, noOfEntriesPerFile: 100_001 }, [PRODUCT]],
    [{}, [FILES, ENTRIES]],
    [[], [FILES, ENTRIES]],
    [undefined, [FILES, ENTRIES]],
  ])("an order of %j, and the app goes on", async (body, errors) => {
    expect(await client.ask("POST", "/jobs", body)).toEqual({ status: 400, body: { errors } });
    expect((await client.ask("GET", "/queues/tasks")).status).toBe(200);
  });

  test("bodies that are no JSON, without a stack", async () => {
    for (const [type, body] of [
      ["application/json", "{"],
      ["application/json", '{"__proto__":{"noOfFiles":1}}'],
      ["text/html", "<p>"],
    ] as const) {
      const answer = await fetch(`${app.url}/jobs`, { method: "POST", body, headers: { "content-type": type } });
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
      expect(await answer.json()).toEqual({ error: expect.not.stringContaining(" at ") });
    }
  });

  test.each(["1", "job_01h00000000000000000000000", "..%2f..%2fetc%2fpasswd", "%00", "*", "x".repeat(300)])(
    "the unknown job %s",
    async (id) => {
      const gone = { status: 404, body: { error: `Job ${decodeURIComponent(id)} not found` } };
      expect(await client.ask("GET", `/jobs/${id}`)).toEqual(gone);
      expect(await client.ask("DELETE", `/jobs/${id}`)).toEqual(gone);
      expect(await client.ask("POST", `/jobs/${id}/linear-validator`)).toEqual(gone);
      expect(await client.ask("GET", `/files/${id}/final.txt`)).toEqual(gone);
    },
  );

  test("the jobs of others", async () => {
    const [file] = await platform.client.files.putMany([{ name: "a.txt", content: new Blob(["1 2 3\n"]) }]);
    const { job_id: id } = await platform.client.jobs.submit({ pipeline: "sum-numbers", inputs: [file?.id ?? ""] });
    expect((await client.ask("GET", `/jobs/${id}`)).status).toBe(404);
    expect((await client.ask("DELETE", `/jobs/${id}`)).status).toBe(404);
    expect(await client.ask("GET", "/jobs")).toMatchObject({
      status: 200,
      body: expect.not.arrayContaining([expect.objectContaining({ _id: id })]),
    });
    expect((await platform.client.jobs.finished(id)).status).toBe("completed");
  });

  test("completions that nobody has worked for", { timeout: 120_000 }, async () => {
    const { _id: id } = await client.order(60, 5);
    const forged = { id, jobId: id, status: "Completed", progress: 100, result: "50 50 50 50 50" };
    for (const method of ["POST", "PUT", "PATCH"]) {
      for (const path of [
        `/jobs/${id}`,
        `/jobs/${id}/complete`,
        `/jobs/${id}/tasks/1`,
        "/tasks",
        "/queues/tasks",
        `/files/${id}/final.txt`,
      ]) {
        expect((await client.ask(method, path, forged)).status).toBe(404);
      }
    }
    // Of the platform itself, without a key.
    const [task] = (await platform.client.jobs.tasks(id).page()).data;
    for (const path of [`jobs/${id}/retry`, `jobs/${id}/cancel`, `jobs/${id}/tasks/${task?.id}/complete`, "admin/workers"]) {
      expect((await fetch(`${platform.url}/api/v1/${path}`, { method: "POST", body: JSON.stringify(forged) })).status).toBeOneOf([
        401, 404, 405,
      ]);
    }
    expect((await client.followed(id)).job.status).toBe("Completed");
    expect(await client.validate(id)).toMatchObject({ body: { isSame: true } });
  });

  test("requests while the platform is away, which are told so", async () => {
    const alone = await startApp("averages", { FILEMILL_URL: `http://127.0.0.1:${await freePort()}`, FILEMILL_KEY: "fml_live_none" });
    onTestFinished(() => void alone.stop());
    const lonely = averagesClient(alone.url);
    const away = { status: 503, body: { error: expect.stringContaining("platform") } };
    expect(await lonely.ask("POST", "/jobs", { noOfFiles: 1, noOfEntriesPerFile: 1 })).toEqual(away);
    expect(await lonely.ask("GET", "/jobs")).toEqual(away);
    expect(await lonely.ask("GET", "/workers/metrics")).toEqual(away);
  });
});

describe("workers", () => {
  const processes = async () => {
    const { body } = await client.ask("GET", "/workers/metrics");
    const { noOfIdleProcesses: idle, noOfBusyProcesses: busy } = body as { noOfIdleProcesses: number; noOfBusyProcesses: number };
    return idle + busy;
  };
  const settled = (count: number) => until(`there are ${count} workers`, 60_000, async () => (await processes()) === count);

  test("are told with what waits for them", async () => {
    const figures = {
      noOfJobsInQueue: expect.any(Number),
      noOfTasksInQueue: expect.any(Number),
      noOfIdleProcesses: expect.any(Number),
      noOfBusyProcesses: expect.any(Number),
    };
    expect(await client.ask("GET", "/workers")).toEqual({ status: 200, body: figures });
    expect(await client.ask("GET", "/workers/metrics")).toEqual({ status: 200, body: figures });
    expect(await client.ask("GET", "/queues/tasks")).toEqual({ status: 200, body: { noOfTasks: expect.any(Number) } });
  });

  test("grow and shrink while a job runs, which loses nothing by it", { timeout: 180_000 }, async () => {
    const resize = (noOfWorkers: unknown) => client.ask("POST", "/workers", { noOfWorkers });
    await settled(2);
    const { _id: id } = await client.order(300, 100);
    expect(await resize(3)).toEqual({ status: 200, body: { message: "1 worker is started: 3 in all" } });
    await settled(3);
    expect(await resize(1)).toEqual({ status: 200, body: { message: "2 workers end after their work: 1 is left" } });
    await settled(1);
    expect((await client.followed(id)).job.status).toBe("Completed");
    expect(await client.validate(id)).toMatchObject({ body: { isSame: true } });
    expect(await resize(2)).toEqual({ status: 200, body: { message: "1 worker is started: 2 in all" } });
    expect(await resize(2)).toEqual({ status: 200, body: { message: "There are 2 workers already" } });
    await settled(2);
  });

  test.each([
    [-1, "noOfWorkers must be a whole number of at least 0"],
    ["x", "noOfWorkers must be a whole number of at least 0"],
    [1.5, "noOfWorkers must be a whole number of at least 0"],
    [17, "noOfWorkers must be at most 16; FILEMILL_MAX_WORKERS allows more"],
  ])("%j of them are refused", async (noOfWorkers, msg) => {
    expect(await client.ask("POST", "/workers", { noOfWorkers })).toEqual({
      status: 400,
      body: { errors: [fieldError("noOfWorkers", msg)] },
    });
  });

  test("that are killed lose nothing and hang nothing", { timeout: 300_000 }, async () => {
    const findings = await crashRun({ client, platformPid: platform.pid, chance: chance("averages"), jobs: 2, kills: 2 });
    expect(findings).toEqual([]);
  });
});
