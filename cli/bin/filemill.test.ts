import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { startScratchPlatform, type ScratchPlatform } from "../src/demo/scratch-platform.ts";

/** The process as a shell starts it, against a platform as `npm start` starts it, found by FILEMILL_PORT and admin.key. */
const FILEMILL = fileURLToPath(new URL("filemill.ts", import.meta.url));
const COUNT: PipelineDocument = { name: "count", steps: { statistics: { use: "text.stats" } } };
const RESIZE: PipelineDocument = { name: "resize", steps: { small: { use: "image.resize", with: { width: 10 } } } };
const ENDLESS_SQL = "SELECT sum(hash(a.range + b.range)) AS n FROM input, range(10000000) a, range(10000000) b";
const ENDLESS: PipelineDocument = { name: "endless", steps: { rows: { use: "table.query", with: { sql: ENDLESS_SQL } } } };
const MISTAKEN = { name: "mistaken", steps: { small: { use: "image.resizee" } } };
const NO_JOB = "job_00000000000000000000000000";
const NO_FILE = "file_00000000000000000000000000";

/** Seconds on a machine of its own; others may share it. */
vi.setConfig({ testTimeout: 120_000 });

let folder: string;
let platform: ScratchPlatform;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-cli-"));
  await writeFile(join(folder, "one.txt"), "one line\n");
  await writeFile(join(folder, "two.txt"), "two\nlines\n");
  await writeFile(join(folder, "table.csv"), "a\n1\n");
  for (const document of [COUNT, RESIZE, MISTAKEN]) await writeFile(join(folder, `${document.name}.json`), JSON.stringify(document));
  platform = await startScratchPlatform(process.env, new AbortController().signal);
});
afterAll(async () => {
  await platform.stop();
  await rm(folder, { recursive: true });
});

async function filemill(...words: string[]) {
  const child = spawn(process.execPath, [FILEMILL, ...words], {
    cwd: folder,
    env: {
      PATH: process.env["PATH"],
      FILEMILL_PORT: new URL(platform.url).port,
      FILEMILL_DATA_DIR: platform.dataFolder,
      // Sixty processes that read the same hundred modules.
      NODE_COMPILE_CACHE: join(folder, "compiled"),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const written = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      written[name] += text;
    });
  }
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...written };
}

/** What it prints; it ended well and, with --json, said nothing else. */
async function printed(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await filemill(...words);
  expect({ code, stderr: words.includes("--json") || code !== 0 ? stderr : "" }).toEqual({ code: 0, stderr: "" });
  return stdout;
}

async function json(...words: string[]) {
  return JSON.parse(await printed(...words, "--json"));
}

async function submitted(name: string, pipeline: PipelineDocument): Promise<string> {
  const content = await readFile(join(folder, name));
  const { id } = await platform.client.files.put({ name, content: new Blob([content]) });
  return (await platform.client.jobs.submit({ pipeline, inputs: [id] })).job_id;
}

test.concurrent("run sends files, and their results are on disk", async () => {
  const people = await filemill("run", "count.json", "one.txt", "two.txt", "--out", "for-people");
  expect(people).toMatchObject({ code: 0, stdout: expect.stringMatching(/^job_\w+ completed, 2 items\n/) });
  const names = await readdir(join(folder, "for-people"));
  expect(names).toHaveLength(2);
  const { job, outputs } = await json("run", "count.json", "one.txt", "two.txt", "--out", "for-programs");
  expect(job).toMatchObject({ status: "completed", counts: { total: 2 } });
  const lines = [];
  for (const { path } of outputs) lines.push(JSON.parse(await readFile(join(folder, path), "utf8")).lines);
  expect(lines.toSorted()).toEqual([1, 2]);
});

test.concurrent("run takes the outputs of another job, and waits for its end", async () => {
  const first = await submitted("one.txt", COUNT);
  const { job } = await json("run", "count.json", "--inputs-from", `${first}:statistics`, "--after-finished", "--out", "behind");
  expect(job).toMatchObject({ status: "completed", after: { policy: "finished", jobs: [{ job_id: first, outcome: "completed" }] } });
  expect(await readdir(join(folder, "behind"))).toHaveLength(1);
  expect((await filemill("run", "count.json", "one.txt", "--inputs-from", first)).code).toBe(2);
});

test.concurrent("schedules are put, listed, looked ahead of, run, paused and removed", async () => {
  const { id } = await platform.client.files.put({ name: "in.txt", content: new Blob(["in"]) });
  const cron = ["--cron", "30 2 * * *", "--time-zone", "Europe/Berlin"];
  expect(await printed("schedules", "put", "nightly", "count.json", ...cron, "--input", id)).toMatch(/^sch_\w+ {2}nightly\n/);
  expect(await printed("schedules", "list")).toMatch(/^nightly +30 2 \* \* \* +Europe\/Berlin /m);
  expect((await printed("schedules", "next", "nightly", "-n", "3")).split("\n")).toHaveLength(4);
  expect((await json("schedules", "next", ...cron)).data).toHaveLength(5);
  const { job_id } = await json("schedules", "run", "nightly");
  expect((await platform.client.jobs.finished(job_id)).status).toBe("completed");
  expect(await json("schedules", "show", "nightly")).toMatchObject({ last_job_id: job_id, paused: false });
  expect(await printed("schedules", "pause", "nightly")).toBe("nightly paused\n");
  expect(await printed("schedules", "resume", "nightly")).toMatch(/^nightly comes due 20/);
  await printed("schedules", "rm", "nightly");
  expect((await filemill("schedules", "show", "nightly")).code).toBe(3);
  expect((await filemill("schedules", "put", "bad", "count.json", "--cron", "daily", "--input", id)).code).toBe(2);
});

test.concurrent("files are put, listed, fetched and removed", async () => {
  const [id] = /file_\w+/.exec(await printed("files", "put", "one.txt")) ?? [];
  const { files } = await json("files", "put", "two.txt");
  const list = await json("files", "list");
  const ids = list.data.map((file: { id: string }) => file.id);
  expect(ids).toEqual(expect.arrayContaining([id, files[0].id]));
  expect(await printed("files", "list")).toContain(`${id} `);
  await printed("files", "get", String(id), "--out", "fetched.txt");
  expect(await readFile(join(folder, "fetched.txt"), "utf8")).toBe("one line\n");
  const got = await json("files", "get", files[0].id, "--out", "fetched-too.txt");
  expect(await readFile(join(folder, got.path), "utf8")).toBe("two\nlines\n");
  expect(await printed("files", "rm", String(id))).toBe(`${id} deleted\n`);
  expect(await json("files", "rm", files[0].id)).toEqual({ deleted: [files[0].id] });
  expect(await filemill("files", "get", String(id), "--out", "gone.txt")).toMatchObject({ code: 3, stdout: "" });
});

test.concurrent("pipelines are checked, stored and listed", async () => {
  expect(await printed("pipelines", "lint", "count.json")).toBe("count.json: no problems\n");
  expect(await json("pipelines", "lint", "count.json")).toEqual({ valid: true, issues: [] });
  expect(await printed("pipelines", "put", "count.json")).toBe("count@1 stored\n");
  expect(await json("pipelines", "put", "count.json", "--name", "count-too")).toMatchObject({ name: "count-too", version: 1 });
  expect(await printed("pipelines", "list")).toMatch(/^count +1\b/m);
  expect((await json("pipelines", "list")).data).toContainEqual(expect.objectContaining({ name: "count-too" }));
});

test.concurrent("a pipeline with mistakes shows each once, with what was meant", async () => {
  const line = /\n {2}\/steps\/small\/use: [^\n]+\. Did you mean "image.resize"\?\n$/;
  expect(await filemill("pipelines", "lint", "mistaken.json")).toMatchObject({ code: 1, stdout: expect.stringMatching(line), stderr: "" });
  const put = await filemill("pipelines", "put", "mistaken.json");
  expect(put).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(line) });
  expect(put.stderr.split("/steps/small/use")).toHaveLength(2);
  const program = await filemill("pipelines", "put", "mistaken.json", "--json");
  expect(program).toMatchObject({ code: 2, stdout: "" });
  expect(JSON.parse(program.stderr)).toMatchObject({ code: "validation_failed", issues: [{ pointer: "/steps/small/use" }] });
});

test.concurrent("a job is listed, shown and watched", async () => {
  const id = await submitted("one.txt", COUNT);
  expect(await printed("jobs", "watch", id)).toContain("completed, 1 item");
  expect(await json("jobs", "watch", id)).toMatchObject({ id, status: "completed" });
  expect(await printed("jobs", "show", id)).toContain("completed, 1 item");
  expect(await json("jobs", "show", id)).toMatchObject({ id, status: "completed" });
  expect(await printed("jobs", "list")).toContain(`${id} `);
  expect((await json("jobs", "list", "--status", "completed")).data).toContainEqual(expect.objectContaining({ id }));
});

test.concurrent("a job is cancelled, which is no success for who watches it", async () => {
  const [one, other] = [await submitted("table.csv", ENDLESS), await submitted("table.csv", ENDLESS)];
  expect(await printed("jobs", "cancel", one)).toMatch(new RegExp(`^${one} cancel`));
  expect(await json("jobs", "cancel", other)).toMatchObject({ id: other, status: expect.stringMatching(/^cancel/) });
  expect(await filemill("jobs", "watch", one)).toMatchObject({ code: 1, stdout: expect.stringContaining("cancelled") });
});

test.concurrent("jobs are deleted, with what they made where that is asked for", async () => {
  const [kept, bare] = [await submitted("one.txt", COUNT), await submitted("one.txt", COUNT)];
  const [first, second] = await Promise.all([kept, bare].map((id) => platform.client.jobs.finished(id)));
  const content = (job: typeof first) => platform.client.files.content(job?.output_files[0]?.id ?? "");
  expect(await printed("jobs", "rm", kept)).toBe(`${kept} deleted\n`);
  expect((await content(first)).status).toBe(200);
  expect(await json("jobs", "rm", bare, "--outputs")).toEqual({ deleted: [bare] });
  await expect(content(second)).rejects.toMatchObject({ code: "not_found" });
  expect(await filemill("jobs", "show", bare)).toMatchObject({ code: 3 });
});

test.concurrent("workers are listed, and their number is said", async () => {
  const { data } = await json("admin", "workers");
  expect(data).toContainEqual(expect.objectContaining({ status: "up", running_tasks: expect.any(Number) }));
  expect(await printed("admin", "workers")).toMatch(/^ID +STATUS +TASKS +LANES +HOST +PID +SINCE\n/);
  expect(await printed("admin", "workers", "2")).toBe("2 workers, 2 before\n");
  expect(await filemill("admin", "workers", "99")).toMatchObject({ code: 2, stderr: expect.stringContaining("FILEMILL_MAX_WORKERS") });
});

test.concurrent("a job that failed: exit code 1, the reason, and it can be tried again", async () => {
  const people = await filemill("run", "resize.json", "one.txt", "--out", "nothing");
  expect(people).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/job_\w+ failed, 1 of 1 item dead\.\n(?: .*\n)* {2}one\.txt: small: /),
  });
  const program = await filemill("run", "resize.json", "one.txt", "--out", "nothing-too", "--json");
  expect(program.code).toBe(1);
  const { job } = JSON.parse(program.stdout);
  expect(JSON.parse(program.stderr)).toMatchObject({ code: "job_failed", detail: expect.stringContaining("one.txt"), issues: [] });
  expect(await printed("jobs", "retry", job.id)).toContain(`filemill jobs watch ${job.id}`);
  expect(await filemill("jobs", "watch", job.id)).toMatchObject({ code: 1, stdout: expect.stringContaining("1 of 1 item dead") });
  expect(await json("jobs", "retry", job.id)).toMatchObject({ id: job.id });
});

test.concurrent.each([
  [["jobs", "show", NO_JOB]],
  [["jobs", "cancel", NO_JOB]],
  [["files", "get", NO_FILE]],
  [["run", "nosuch", "one.txt", "--out", "never"]],
])("%j: exit code 3 for what is not there", async (words) => {
  const [people, program] = await Promise.all([filemill(...words), filemill(...words, "--json")]);
  expect(people).toMatchObject({ code: 3, stdout: "", stderr: expect.stringMatching(/^There is no/) });
  expect(program).toMatchObject({ code: 3, stdout: "" });
  expect(JSON.parse(program.stderr)).toEqual({ code: "not_found", detail: expect.any(String), issues: [] });
});
