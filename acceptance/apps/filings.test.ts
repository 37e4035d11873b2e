import { createHash } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@filemill/sdk/local-platform.ts";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openBrowser } from "../browser/browser.ts";
import { startApp, type AppProcess } from "./app-process.ts";
import { filingsClient, type FilingsClient } from "./filings-client.ts";

/** The app over its ports, on a platform of its own, with a registry that fails, is slow and lies about lengths. */
const RUN_WITHIN_MS = 240_000;
const CIN = /^L\d{5}[A-Z]{2}(19[89]\d|20[01]\d|2020)[A-Z]{3}\d{6}$/;
const COMPANY =
  /^(PRESSURE SENSITIVE|DIGITAL|SMART|GLOBAL|ADVANCED|PREMIUM|ELITE|CORE) (SYSTEMS|TECHNOLOGIES|SOLUTIONS|SERVICES|PRODUCTS|INNOVATIONS|DIGITAL|SOFTWARE) (LIMITED|PRIVATE LIMITED|LLP)$/;
const TYPES = ["Annual Report", "Financial Statement", "Compliance Document", "Board Resolution", "Tax Filing"];
const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

let folder: string;
let app: AppProcess;
let client: FilingsClient;
let workerMetrics: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-filings-"));
  // Started by root, PostgreSQL runs as another user, who has to get through this folder.
  await chmod(folder, 0o711);
  const port = await freePort();
  workerMetrics = `http://127.0.0.1:${port}/metrics`;
  app = await startApp("filings", {
    FILEMILL_DATA_DIR: join(folder, "data"),
    WORKER_METRICS_PORT: String(port),
    REGISTRY_PORT: String(await freePort()),
    REGISTRY_DELAY_MS: "20",
    REGISTRY_SLOW_MS: "1000",
    REGISTRY_FAILURE_RATE: "0.05",
    REGISTRY_LIE_RATE: "0.05",
    REGISTRY_SCAN_RATE: "0.02",
  });
  client = filingsClient(app.url);
}, 180_000);
afterAll(async () => {
  expect(await app.stop(), app.log()).toBe(0);
  await rm(folder, { recursive: true, force: true });
}, 60_000);

interface Created {
  readonly message: string;
  readonly jobs: readonly { readonly jobId: string; readonly cin: string; readonly companyName: string }[];
  readonly totalJobs: number;
}

describe("what is ordered", () => {
  test.each([
    [{ num_jobs: 0 }, "num_jobs must be between 1 and 10"],
    [{ num_jobs: 11 }, "num_jobs must be between 1 and 10"],
    [{ num_jobs: null }, "num_jobs must be a valid integer"],
    [{ num_jobs: "x" }, "num_jobs must be a valid integer"],
  ])("%j is refused, and says why", async (body, error) => {
    expect(await client.create(body)).toEqual({ status: 400, body: { error } });
  });

  test("an unknown job is not there", async () => {
    for (const id of ["job_00000000000000000000000000", "x", "..%2f..", "*"]) {
      expect(await client.get(`/jobs/${id}`)).toMatchObject({ status: 404, body: { error: expect.stringContaining("not found") } });
      expect(await client.get(`/jobs/${id}/documents`)).toMatchObject({ status: 404 });
    }
  });
});

test(
  "a company's documents are collected run by run, each once, with the text, size and digest that are stored",
  { timeout: 600_000 },
  async () => {
    const { status, body } = await client.create({ num_jobs: true });
    const [created, ...others] = (body as Created).jobs;
    expect({ status, body, others }).toEqual({
      status: 200,
      body: {
        message: "Successfully created 1 job(s)",
        jobs: [{ jobId: expect.any(String), cin: expect.stringMatching(CIN), companyName: expect.stringMatching(COMPANY) }],
        totalJobs: 1,
      },
      others: [],
    });
    const { jobId: id, cin, companyName } = created ?? { jobId: "", cin: "", companyName: "" };
    const { job, statuses, findings } = await client.followed(id, RUN_WITHIN_MS);
    expect(findings).toEqual([]);
    expect(statuses.at(-1)).toBe("completed");
    expect(statuses.filter((one) => !["pending", "processing", "in_progress", "completed"].includes(one))).toEqual([]);
    const { totalDocuments } = job.processingStages.documentDownload;
    expect(totalDocuments).toBeGreaterThanOrEqual(30);
    expect(totalDocuments).toBeLessThanOrEqual(50);
    expect(job).toEqual({
      ...{ jobId: id, cin, companyName, jobStatus: "completed", progress: 100, lockedBy: null, lockedAt: null },
      processingStages: {
        documentDownload: {
          status: "completed",
          totalDocuments,
          downloadedDocuments: totalDocuments,
          pendingDocuments: 0,
          lastUpdated: ISO,
        },
      },
      createdAt: ISO,
      updatedAt: ISO,
    });

    const documents = await client.documents(id);
    expect(documents.map(({ documentNumber }) => documentNumber)).toEqual(
      Array.from({ length: totalDocuments }, (_unused, index) => index + 1),
    );
    for (const document of documents) {
      const n = document.documentNumber;
      expect(document).toMatchObject({ jobId: id, cin, companyName, fileName: `document_${n}.txt`, downloadedAt: ISO, createdAt: ISO });
      expect(document.blobUrl).toBe(`${app.url}/documents/jobs/${id}/document_${n}.txt`);
      expect(TYPES).toContain(document.documentType);
      const bytes = Buffer.from(await (await fetch(document.blobUrl)).arrayBuffer());
      expect([document.fileSize, document.checksum]).toEqual([bytes.length, createHash("sha256").update(bytes).digest("hex")]);
      const text = bytes.toString();
      expect(text).toContain(cin);
      expect(text.toUpperCase()).toContain(document.documentType.toUpperCase());
    }
    const type = documents[0]?.documentType ?? "";
    const search = `/documents?cin=${cin}&documentType=${encodeURIComponent(type)}`;
    expect(await client.get(search)).toMatchObject({
      status: 200,
      body: { documents: documents.filter(({ documentType }) => documentType === type) },
    });
    expect(await client.get(`/documents?companyName=${encodeURIComponent("NOBODY LLP")}`)).toMatchObject({ body: { totalDocuments: 0 } });
    await expectMetrics(totalDocuments);
  },
);

test("a registry that can't be served or reached is named, with what to do", { timeout: 120_000 }, async () => {
  // Neither gets as far as the platform.
  const nobody = { FILEMILL_URL: `http://127.0.0.1:${await freePort()}`, FILEMILL_KEY: "fml_test", WORKER_METRICS_PORT: "0" };
  await expect(startApp("filings", { ...nobody, REGISTRY_PORT: new URL(app.url).port })).rejects.toThrow(
    /The registry can't be served: .*EADDRINUSE.*Set REGISTRY_PORT to a free port/,
  );
  const alone = await startApp("filings", { ...nobody, REGISTRY_URL: `http://127.0.0.1:${await freePort()}` });
  onTestFinished(() => void alone.stop());
  expect(await filingsClient(alone.url).create({ num_jobs: 3 })).toEqual({
    status: 503,
    body: { error: expect.stringMatching(/^Only 0 of 3 job\(s\) could be created: The registry at .+ does not say/), jobs: [] },
  });
  expect(await filingsClient(alone.url).get("/jobs")).toMatchObject({ status: 503 });
});

const NAMES = {
  api: [
    ...["requests_total", "db_write_failures_total", "request_duration_seconds", "jobs_created_total", "jobs_created_failures_total"],
    ...["db_operations_total", "db_operation_duration_seconds"],
  ],
  workers: [
    ...["jobs_processed_total", "jobs_found_total", "jobs_locked_total", "jobs_failed_total", "documents_downloaded_total"],
    ...["documents_uploaded_total", "blob_operations_total", "blob_operation_duration_seconds", "job_processing_duration_seconds"],
    ...["lock_cleanup_total", "active_jobs", "pending_jobs", "completed_jobs", "download_batch_size"],
  ],
};

async function expectMetrics(documents: number): Promise<void> {
  const [api, workers] = await Promise.all([`${app.url}/metrics`, workerMetrics].map(async (url) => await (await fetch(url)).text()));
  const namesOf = (text = "") => [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name).toSorted();
  expect(namesOf(api)).toEqual(NAMES.api.toSorted());
  expect(namesOf(workers)).toEqual(NAMES.workers.toSorted());
  expect(api).toMatch(/^jobs_created_total\{num_jobs="1"\} 1$/m);
  expect(api).toMatch(/^request_duration_seconds_bucket\{le="0.05",method="GET",route="\/jobs\/:id"\} [1-9]/m);
  expect(workers).toMatch(new RegExp(`^documents_downloaded_total ${documents}$`, "m"));
  expect(workers).toMatch(new RegExp(`^documents_uploaded_total ${documents}$`, "m"));
  expect(workers).toMatch(/^completed_jobs 1$/m);
  for (const bucket of ["5", "10", "15", "20", "50"]) expect(workers).toContain(`download_batch_size_bucket{le="${bucket}"}`);
}

test("a person makes ten jobs on the page, and ten there are", { timeout: 300_000 }, async () => {
  const browser = await openBrowser();
  try {
    const watched = await browser.open(app.url);
    const { page } = watched;
    expect(await page.title()).toBe("Job Creator");
    const before = await page.getByRole("progressbar").count();
    await page.getByRole("button", { name: "Create 10 jobs" }).click();
    await page.getByText("Successfully created 10 job(s).").waitFor({ timeout: 60_000 });
    await expect.poll(() => page.getByRole("progressbar").count(), { timeout: 30_000 }).toBe(before + 10);
    expect(await watched.accessibilityFaults()).toEqual([]);
    await watched.screenshot("filings");
    expect(watched.troubles()).toEqual([]);
    await watched.close();
  } finally {
    await browser.close();
  }
  const { body } = await client.get("/jobs");
  expect((body as { jobs: unknown[] }).jobs).toHaveLength(11);
  expect(new Set((body as { jobs: { cin: string }[] }).jobs.map(({ cin }) => cin)).size).toBe(11);
});
