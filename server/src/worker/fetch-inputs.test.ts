import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startWebServer, type WebServer } from "../../test/collect/web-server.ts";
import { parseTarget } from "../config-fetch.ts";
import { planPipeline } from "../jobs/plan-pipeline.ts";
import type { FetchFromWeb } from "../jobs/sources/web.ts";
import { openDialer, type Dialer } from "../net/dialer.ts";
import { loadCatalogue } from "../processors/catalogue.ts";
import { fetchToFile } from "../uploads/collect/fetch-to-file.ts";
import { fetchInputs } from "./fetch-inputs.ts";
import { NO_REUSE } from "./reuse.ts";

let web: WebServer;
let dialer: Dialer;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "filemill-fetch-inputs-"));
  web = await startWebServer((request, response) => {
    if (request.url === "/slow") response.writeHead(200).write("begun");
    else response.end("x".repeat(60_000));
  });
  dialer = openDialer({ ports: [], allow: [parseTarget("127.0.0.1:*")] });
});
afterAll(async () => {
  await dialer.close();
  await web.close();
  await rm(folder, { recursive: true, force: true });
});

async function run(paths: readonly string[], more: { taskBytes?: number; signal?: AbortSignal; timeout?: string } = {}) {
  const steps = { fetched: { use: "http.fetch", ...(more.timeout && { timeout: more.timeout }) } };
  const [stage] = planPipeline({ steps }, {}, await loadCatalogue()).stages;
  if (!stage) throw new Error("there is no stage");
  const entries = [];
  for (const [index, path] of paths.entries()) {
    const at = join(folder, `in-${index}`);
    await writeFile(at, JSON.stringify({ url: `${web.url}${path}` }));
    entries.push({ index, from: "", path: at, name: "a.json", sizeBytes: 50, mediaType: "application/json" });
  }
  let held = 0;
  let most = 0;
  const onBytes = (bytes: number): void => {
    held += bytes;
    most = Math.max(most, held);
  };
  const fetch: FetchFromWeb = (request) => fetchToFile({ dialer, inTurn: (work) => work(), firstPauseMs: 1 }, request);
  const prepared = { entries, missing: new Map(), reuse: NO_REUSE };
  const task = { stage, prepared, folder, onBytes, ...(more.taskBytes && { taskBytes: more.taskBytes }) };
  const done = await fetchInputs(fetch, task, more.signal ?? new AbortController().signal);
  return { done, held, most };
}

const webFiles = async () => (await readdir(folder)).filter((name) => name.startsWith("web-"));

test("what does not fit beside the others of its task is tried again in a task of its own, and leaves nothing", async () => {
  const { done, held } = await run(["/a", "/b", "/c"], { taskBytes: 130_000 });
  expect(done.entries).toHaveLength(2);
  expect([...done.missing.values()]).toMatchObject([{ class: "resource_exhausted", code: "resource_exhausted" }]);
  expect(held).toBe(120_000);
  expect(await webFiles()).toHaveLength(2);
});

test("one alone has all the room that its own limit leaves", async () => {
  const { done } = await run(["/a"], { taskBytes: 10_000 });
  expect(done.entries).toMatchObject([{ sizeBytes: 60_000, from: "fetched", isFetched: true }]);
});

test("all tries together take no longer than the step may", async () => {
  const { done, held } = await run(["/slow", "/a"], { timeout: "300ms" });
  expect(done.missing.get(0)).toMatchObject({ class: "timeout", code: "timeout", message: expect.stringContaining("0.3 s") });
  expect(done.entries).toHaveLength(1);
  expect(held).toBe(60_000);
});

test("a task that is given up ends its requests, and all of them have ended when it says so", async () => {
  const stop = new AbortController();
  const running = run(["/slow", "/slow"], { signal: stop.signal });
  await expect.poll(() => web.asked.filter(({ path }) => path === "/slow").length).toBeGreaterThanOrEqual(2);
  stop.abort("drain");
  await expect(running).rejects.toBe("drain");
});
