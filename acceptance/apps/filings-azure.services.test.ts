import { createHash } from "node:crypto";
import { freePort } from "@filemill/sdk/local-platform.ts";
import { BlobServiceClient, type ContainerClient } from "@azure/storage-blob";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startAzurite, type Azurite } from "../../server/test/stores/azurite.ts";
import { until } from "../chaos/conditions.ts";
import { openTcpProxy, type TcpProxy } from "../chaos/tcp-proxy.ts";
import { startPlatform, type Platform } from "../platform.ts";
import { startApp, type AppProcess } from "./app-process.ts";
import { filingsClient } from "./filings-client.ts";

/** The app with texts in Azure Blob Storage, of which this decides what it does. */
const SOON_MS = 90_000;

let azurite: Azurite;
let proxy: TcpProxy;
let platform: Platform;
let container: ContainerClient;
let app: AppProcess | undefined;
/** Connections are reset as soon as something is asked. */
let isAway = false;
/** So many answers to successful writes still get lost on their way. */
let answersToLose = 0;

beforeAll(async () => {
  [azurite, platform] = await Promise.all([startAzurite(), startPlatform({ FILEMILL_FETCH_ALLOW: "127.0.0.1:*" })]);
  container = BlobServiceClient.fromConnectionString(azurite.connectionString).getContainerClient("filings-test");
  proxy = await openTcpProxy({
    targetPort: Number(new URL(azurite.endpoint).port),
    onRequest(_chunk, link) {
      if (isAway) link.cut();
      return isAway ? "drop" : "pass";
    },
    onAnswer(chunk, link) {
      if (answersToLose === 0 || !chunk.toString("latin1").startsWith("HTTP/1.1 201")) return "pass";
      answersToLose--;
      link.cut();
      return "drop";
    },
  });
}, 180_000);
afterAll(async () => {
  await app?.stop();
  await platform?.stop();
  await proxy?.close();
  await azurite?.stop();
}, 60_000);

async function start(): Promise<{ app: AppProcess; metrics: () => Promise<string> }> {
  const port = await freePort();
  app = await startApp("filings", {
    ...{ FILEMILL_URL: platform.url, FILEMILL_KEY: platform.key },
    AZURE_BLOB_CONN: azurite.connectionString.replace(new URL(azurite.endpoint).port, String(proxy.port)),
    AZURE_CONTAINER: "filings-test",
    ...{ WORKER_METRICS_PORT: String(port), REGISTRY_PORT: String(registryPort) },
    ...{ REGISTRY_DELAY_MS: "250", REGISTRY_SLOW_RATE: "0", REGISTRY_FAILURE_RATE: "0", REGISTRY_SCAN_RATE: "0" },
  });
  return { app, metrics: async () => await (await fetch(`http://127.0.0.1:${port}/metrics`)).text() };
}
let registryPort = 0;

const countOf = (metrics: string, sample: string) =>
  Number(
    metrics
      .split("\n")
      .find((line) => line.startsWith(`${sample} `))
      ?.split(" ")[1],
  );

test("a document is downloaded when its blob is there, also where the store is away, loses answers, or the app was killed", async () => {
  registryPort = await freePort();
  const first = await start();
  let client = filingsClient(first.app.url);
  answersToLose = 2;
  const { body } = await client.create({});
  const { jobId: id, cin } = (body as { jobs: { jobId: string; cin: string }[] }).jobs[0] ?? { jobId: "", cin: "" };

  const stageOf = async () => (await client.job(id)).processingStages.documentDownload;
  const early = await until("the first run's documents are there", SOON_MS, async () => {
    const stage = await stageOf();
    return stage.downloadedDocuments > 0 && stage;
  });
  isAway = true;
  // Somebody else's: what is in the container is no proof of anything but of itself.
  const last = container.getBlockBlobClient(`jobs/${id}/document_${early.totalDocuments}.txt`);
  await last.upload("none of ours", 12);
  await until("the platform is done", SOON_MS, async () => (await platform.client.jobs.get(id)).status === "completed");
  const waiting = await client.job(id);
  expect(waiting).toMatchObject({ jobStatus: "in_progress", lockedBy: null });
  expect(waiting.progress).toBeLessThan(100);
  const { downloadedDocuments: there, totalDocuments } = waiting.processingStages.documentDownload;
  expect(there).toBeLessThan(totalDocuments);
  const kept = await client.documents(id);
  expect(kept).toHaveLength(there);
  await until("an upload has failed, and is counted", SOON_MS, async () => {
    const metrics = await first.metrics();
    expect(countOf(metrics, "documents_downloaded_total")).toBe(there);
    expect(countOf(metrics, "completed_jobs")).toBe(0);
    return countOf(metrics, 'blob_operations_total{operation="upload_failed"}') > 2;
  });

  process.kill(first.app.pid, "SIGKILL");
  const second = await start();
  client = filingsClient(second.app.url);
  expect(await client.get(`/jobs/${id}`)).toMatchObject({ status: 503, body: { error: expect.stringContaining("container") } });
  // One more than was told, where the answer was still on its way.
  const before = await etags();
  isAway = false;
  // What a client saw before the app was killed is still so.
  expect((await stageOf()).downloadedDocuments).toBeGreaterThanOrEqual(there);
  const { job, findings } = await client.followed(id, SOON_MS);
  expect([job.jobStatus, findings]).toEqual(["completed", []]);

  const documents = await client.documents(id);
  expect(documents.map(({ documentNumber }) => documentNumber)).toEqual(
    Array.from({ length: totalDocuments }, (_none, index) => index + 1),
  );
  for (const { documentNumber, blobUrl, fileSize, checksum } of documents) {
    const path = `jobs/${id}/document_${documentNumber}.txt`;
    expect(blobUrl).toBe(`http://127.0.0.1:${proxy.port}/${azurite.account}/filings-test/${path}`);
    const bytes = await container.getBlobClient(path).downloadToBuffer();
    expect([fileSize, checksum]).toEqual([bytes.length, createHash("sha256").update(bytes).digest("hex")]);
    expect(bytes.toString()).toContain(cin);
  }
  const after = await etags();
  expect(before.size).toBeGreaterThanOrEqual(there);
  for (const [name, etag] of before) expect([name, after.get(name)]).toEqual([name, etag]);
  expect([...after.keys()].toSorted()).toEqual(documents.map(({ fileName }) => `jobs/${id}/${fileName}`).toSorted());
  const metrics = await second.metrics();
  const sent = totalDocuments - before.size;
  expect(countOf(metrics, "documents_uploaded_total")).toBe(totalDocuments);
  expect(countOf(metrics, 'blob_operations_total{operation="upload"}')).toBe(sent);
  expect(countOf(metrics, 'blob_operation_duration_seconds_count{operation="upload"}')).toBe(sent);
  expect(countOf(metrics, 'blob_operation_duration_seconds_sum{operation="upload"}')).toBeGreaterThan(0);
});

test("what is no connection string is said at the start", async () => {
  const wrong = { FILEMILL_URL: platform.url, FILEMILL_KEY: platform.key, AZURE_BLOB_CONN: "nonsense", REGISTRY_PORT: "0" };
  await expect(startApp("filings", wrong)).rejects.toThrow(/AZURE_BLOB_CONN is no connection string of a storage account/);
});

/** Of all that the app has made, by name. */
async function etags(): Promise<Map<string, string>> {
  const blobs = await Array.fromAsync(container.listBlobsFlat({ includeMetadata: true }));
  return new Map(blobs.filter(({ metadata }) => metadata?.["stored_at"]).map(({ name, properties }) => [name, properties.etag]));
}
