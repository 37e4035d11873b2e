import { afterAll, beforeAll, expect, test } from "vitest";
import { startPlatform, type Platform } from "./platform.ts";

// Jobs that nobody submits, in a platform as a user starts it.

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
}, 90_000);
afterAll(() => platform?.stop(), 30_000);

const STATS = { steps: { stats: { use: "text.stats" } } };
const text = (name: string, content: string) => ({ name, content: new Blob([content]) });

/** The job with this metadata, when there is one and it has ended. */
async function ended(metadata: Record<string, string>) {
  const { client } = platform;
  await expect
    .poll(async () => (await client.jobs.list({ metadata }).page()).data.length, { timeout: 20_000, interval: 100 })
    .toBeGreaterThan(0);
  const [job] = (await client.jobs.list({ metadata }).page()).data;
  return await client.jobs.finished(job?.id ?? "");
}

test("a schedule that comes due every second makes jobs, until it is paused", async () => {
  const { client } = platform;
  const file = await client.files.put(text("hourly.txt", "some words"));
  const schedule = await client.schedules.put("often", { pipeline: STATS, inputs: [file.id], cron: "* * * * * *", overlap: "skip" });
  expect(await client.schedules.next("often", 2)).toHaveLength(2);
  expect(await ended({ schedule: schedule.id })).toMatchObject({ status: "completed", counts: { succeeded: 1 } });
  const paused = await client.schedules.pause("often");
  expect(paused).toMatchObject({ paused: true, next_run: null, last_run: { error: null } });
  const run = await client.schedules.run("often");
  expect((await client.jobs.finished(run.job_id)).status).toBe("completed");
  await client.schedules.remove("often");
  expect((await client.schedules.list().page()).data).toEqual([]);
});

test("a pipeline with a trigger runs over new files that match", async () => {
  const { client } = platform;
  await client.pipelines.put("on-arrival", { ...STATS, triggers: [{ on: "file.stored", name: "*.txt" }] });
  for (const name of ["a.txt", "b.bin", "c.txt"]) await client.files.put(text(name, `content of ${name}`));
  const job = await ended({ trigger: "on-arrival" });
  const all = (await client.jobs.list({ metadata: { trigger: "on-arrival" } }).page()).data;
  // Three uploads may be apart for longer than files are waited for.
  const names = [];
  for (const { id } of all) for await (const item of client.jobs.items(id)) names.push(item.input?.name);
  expect(names.toSorted()).toEqual(["a.txt", "c.txt"]);
  expect(job.status).toBe("completed");
  await client.pipelines.remove("on-arrival");
});

test("a job takes the outputs of the one before it, and waits for its end", async () => {
  const { client } = platform;
  const files = [await client.files.put(text("one.txt", "one")), await client.files.put(text("two.txt", "two"))];
  const first = await client.jobs.submit({ pipeline: STATS, inputs: files.map(({ id }) => id) });
  const second = await client.jobs.submit({ pipeline: { steps: { all: { use: "archive.zip" } } }, inputs_from: { job: first.job_id } });
  const job = await client.jobs.finished(second.job_id);
  expect(job).toMatchObject({ status: "completed", after: { waiting: false, jobs: [{ job_id: first.job_id, outcome: "completed" }] } });
  expect(job.output_files.map(({ media_type }) => media_type)).toEqual(["application/zip"]);
  const inputs = (await client.jobs.get(first.job_id)).output_files;
  expect(inputs).toHaveLength(2);
});
