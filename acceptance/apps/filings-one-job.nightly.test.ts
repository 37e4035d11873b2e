import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "@filemill/sdk/local-platform.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startSite, type Site } from "../chaos/site.ts";
import { startApp, type AppProcess } from "./app-process.ts";
import { filingsClient } from "./filings-client.ts";

/** A platform without workers of its own: each run is one process of the command line. */
let site: Site;
let app: AppProcess;
let registryPort: number;
let workerMetrics: string;

beforeAll(async () => {
  [registryPort, site] = [await freePort(), await startSite()];
  const metricsPort = await freePort();
  workerMetrics = `http://127.0.0.1:${metricsPort}/metrics`;
  app = await startApp("filings", {
    ...{ FILEMILL_URL: site.url, FILEMILL_KEY: site.key, WORKER_METRICS_PORT: String(metricsPort) },
    ...{ REGISTRY_PORT: String(registryPort), REGISTRY_DELAY_MS: "10", REGISTRY_SLOW_RATE: "0", REGISTRY_FAILURE_RATE: "0" },
    ...{ REGISTRY_SCAN_RATE: "0" },
  });
});
afterAll(async () => {
  await app?.stop();
  await site?.stop();
});

const CLI = fileURLToPath(new URL("../../cli/bin/filemill.ts", import.meta.url));

/** `filemill worker --once …` */
async function workerOnce(words: readonly string[], variables: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [CLI, "worker", "--once", ...words], {
    env: {
      ...{ PATH: process.env["PATH"], HOME: process.env["HOME"] },
      ...{ FILEMILL_DATABASE_URL: site.database.appUrl(), FILEMILL_STORAGE_URL: `file://${site.storeFolder}` },
      ...{ FILEMILL_DATA_DIR: dirname(site.storeFolder), FILEMILL_FETCH_ALLOW: `127.0.0.1:${registryPort}` },
      ...variables,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const output of [child.stdout, child.stderr]) output.setEncoding("utf8").on("data", (text: string) => (said += text));
  const [code] = await once(child, "close");
  return { code, said };
}

test("each one-job worker does one run of the job that it is told, until there is none left; metrics know all of them", async () => {
  const client = filingsClient(app.url);
  const { body } = await client.create({ num_jobs: 2 });
  const [id = "", other = ""] = (body as { jobs: { jobId: string }[] }).jobs.map(({ jobId }) => jobId);
  const { totalDocuments } = (await client.job(id)).processingStages.documentDownload;
  const batch = Math.max(1, Math.floor(0.35 * totalDocuments));
  const runs = Math.ceil(totalDocuments / batch);
  for (let run = 1; run <= runs; run++) {
    // The id may come as a word or by the environment.
    const { code, said } = await (run === 1 ? workerOnce([id]) : workerOnce([], { JOB_ID: id }));
    expect([code, said]).toEqual([0, expect.stringContaining(id)]);
    const { jobStatus, lockedBy, processingStages } = await client.job(id);
    expect([jobStatus, lockedBy]).toEqual([run < runs ? "pending" : "completed", null]);
    expect(processingStages.documentDownload.downloadedDocuments).toBe(Math.min(run * batch, totalDocuments));
    expect(await client.documents(id)).toHaveLength(Math.min(run * batch, totalDocuments));
  }
  expect(await workerOnce([id])).toMatchObject({ code: 1 });
  expect(await workerOnce(["nonsense"])).toMatchObject({ code: 2 });
  expect(await client.job(other)).toMatchObject({ jobStatus: "pending", progress: 0 });

  // Without an id it takes the next that waits, which is the other one.
  const { code, said } = await workerOnce([]);
  expect([code, said]).toEqual([0, expect.stringContaining(other)]);
  const now = await client.job(other);
  expect(now.jobStatus).toBe("pending");
  const done = now.processingStages.documentDownload.downloadedDocuments;
  expect(done).toBe(Math.max(1, Math.floor(0.35 * now.processingStages.documentDownload.totalDocuments)));

  const metrics = await (await fetch(workerMetrics)).text();
  const told = (sample: string) =>
    Number(
      metrics
        .split("\n")
        .find((line) => line.startsWith(`${sample} `))
        ?.split(" ")[1],
    );
  expect({
    processed: told('jobs_processed_total{status="completed"}'),
    locked: told("jobs_locked_total"),
    downloaded: told("documents_downloaded_total"),
    batches: told("download_batch_size_count"),
    durations: told("job_processing_duration_seconds_count"),
    completed: told("completed_jobs"),
    pending: told("pending_jobs"),
  }).toEqual({
    ...{ processed: runs + 1, locked: runs + 1, downloaded: totalDocuments + done, batches: runs + 1, durations: runs + 1 },
    ...{ completed: 1, pending: 1 },
  });
});
