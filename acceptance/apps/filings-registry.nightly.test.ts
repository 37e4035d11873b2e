import { freePort } from "@filemill/sdk/local-platform.ts";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { startPlatform, type Platform } from "../platform.ts";
import { startApp } from "./app-process.ts";
import { filingsClient } from "./filings-client.ts";

/** Registries at their worst. */
/** A job whose documents all fail takes 5 to 7 minutes on a busy machine: three or four runs, six attempts of four tries each. */
const FAILED_WITHIN_MS = 900_000;

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform({ FILEMILL_FETCH_ALLOW: "127.0.0.1:*" });
});
afterAll(async () => {
  await platform?.stop();
});

async function start(settings: Readonly<Record<string, string>>) {
  const metricsPort = await freePort();
  const app = await startApp("filings", {
    ...{ FILEMILL_URL: platform.url, FILEMILL_KEY: platform.key, WORKER_METRICS_PORT: String(metricsPort) },
    ...{ REGISTRY_PORT: String(await freePort()), REGISTRY_DELAY_MS: "10", REGISTRY_SLOW_RATE: "0", REGISTRY_FAILURE_RATE: "0" },
    ...{ REGISTRY_SCAN_RATE: "0", ...settings },
  });
  onTestFinished(() => void app.stop());
  return { app, client: filingsClient(app.url), metricsUrl: `http://127.0.0.1:${metricsPort}/metrics` };
}

const jobOf = (body: unknown) => (body as { jobs: { jobId: string }[] }).jobs[0]?.jobId ?? "";

test("a registry that serves each document a second time: one record a number, as many as it listed", async () => {
  const { client } = await start({ REGISTRY_REPEAT_RATE: "1" });
  const id = jobOf((await client.create({})).body);
  const { job, findings } = await client.followed(id, FAILED_WITHIN_MS);
  expect([job.jobStatus, findings]).toEqual(["completed", []]);
  const documents = await client.documents(id);
  const { totalDocuments } = job.processingStages.documentDownload;
  expect(documents.map(({ documentNumber }) => documentNumber)).toEqual(
    Array.from({ length: totalDocuments }, (_none, index) => index + 1),
  );
  expect(new Set(documents.map(({ blobUrl }) => blobUrl)).size).toBe(totalDocuments);
});

test.concurrent.each([
  ["always fails", { REGISTRY_FAILURE_RATE: "1" }],
  ["always sends less than it says", { REGISTRY_LIE_RATE: "1" }],
])("a registry that %s: the job fails in time, and nothing counts as downloaded", async (_what, settings) => {
  const { client, metricsUrl } = await start(settings);
  const before = await failedJobs(metricsUrl);
  const id = jobOf((await client.create({})).body);
  const { job, findings } = await client.followed(id, FAILED_WITHIN_MS);
  expect([job.jobStatus, findings]).toEqual(["failed", []]);
  expect(job.processingStages.documentDownload).toMatchObject({ status: "failed", downloadedDocuments: 0 });
  expect(await client.documents(id)).toEqual([]);
  expect(await failedJobs(metricsUrl)).toBeGreaterThan(before);
});

test("a registry that is away: no job is made, and the reason is told", async () => {
  const { client } = await start({ REGISTRY_URL: `http://127.0.0.1:${await freePort()}` });
  const jobs = async () => ((await client.get("/jobs")).body as { totalJobs: number }).totalJobs;
  const before = await jobs();
  const { status, body } = await client.create({ num_jobs: 3 });
  expect({ status, body }).toEqual({
    status: 503,
    body: { error: expect.stringMatching(/^Only 0 of 3 job\(s\) could be created: The registry at/), jobs: [] },
  });
  expect(await jobs()).toBe(before);
});

async function failedJobs(metricsUrl: string): Promise<number> {
  return Number(/^jobs_failed_total (\d+)$/m.exec(await (await fetch(metricsUrl)).text())?.[1]);
}
