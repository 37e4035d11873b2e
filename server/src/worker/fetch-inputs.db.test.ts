import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { PipelineDocument, Step } from "@filemill/contract/pipeline.ts";
import { startWebServer, type WebServer } from "../../test/collect/web-server.ts";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine, type Engine } from "../../test/engine/engine.ts";
import { openPlatform, type Platform } from "../../test/engine/platform.ts";
import { sql } from "../db/sql.ts";

let clone: ClonedDatabase;
let engine: Engine;
let platform: Platform;
let web: WebServer;
let tenantId: string;
/** Answers that were not waited for. */
let hangups = 0;
/** Paths that fail for so many requests to come. */
const failing = new Map<string, number>();
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  platform = await openPlatform(clone.database);
  await platform.worker();
  web = await startWebServer((request, response) => {
    const path = request.url ?? "/";
    const left = failing.get(path) ?? 0;
    failing.set(path, left - 1);
    if (left > 0) return response.writeHead(503).end();
    if (path.startsWith("/missing")) return response.writeHead(404).end();
    if (path === "/slow") {
      response.once("close", () => (hangups += 1));
      return response.writeHead(200).write("begun");
    }
    if (path.startsWith("/image")) return response.end(Buffer.from("\x89PNG\r\n\x1a\n", "latin1"));
    return response.end(`text of ${path}\n`);
  });
});
afterAll(async () => {
  await web.close();
  await platform.close();
  await clone.close();
});
beforeEach(async () => {
  web.asked.length = 0;
  tenantId = await engine.tenant();
});

const document = (path: string) => JSON.stringify({ url: `${web.url}${path}`, name: `${path.slice(1)}.txt` });

async function run(steps: Record<string, Step>, paths: readonly string[], outputs?: readonly string[]) {
  const files = [];
  for (const path of paths) files.push(await platform.put(tenantId, "doc.json", path.startsWith("/") ? document(path) : path));
  const pipeline: PipelineDocument = { steps, ...(outputs && { outputs: [...outputs] }) };
  const jobId = await platform.submit(tenantId, pipeline, files);
  const status = await platform.ended(jobId, 30_000);
  const exceptions = await engine.rows<{ ordinal: number; status: string; code: string; message: string }>(
    sql`SELECT ordinal, status, code, message FROM item_exceptions WHERE job_id = ${jobId}::uuid ORDER BY ordinal`,
  );
  const tasks = await engine.rows(sql`SELECT stage FROM tasks WHERE job_id = ${jobId}::uuid`);
  return { jobId, status, exceptions, tasks, made: await platform.outputs(tenantId, jobId) };
}

test("what the inputs name is fetched, and goes through the steps behind it in the same task", async () => {
  const { status, tasks, made } = await run({ fetched: { use: "http.fetch" }, stats: { use: "text.stats", needs: ["fetched"] } }, [
    "/one",
    "/two",
  ]);
  expect(status).toBe("completed");
  expect(tasks).toHaveLength(1);
  expect(made.map(({ step, name }) => [step, name])).toEqual([
    ["stats", "one.txt.stats.json"],
    ["stats", "two.txt.stats.json"],
  ]);
  expect(JSON.parse(made[0]?.text ?? "")).toMatchObject({ bytes: "text of /one\n".length, lines: 1 });
  expect(web.asked.map(({ path }) => path).toSorted()).toEqual(["/one", "/two"]);
});

test("what was fetched is an output itself, alone or as a step hands it on, and never the document that named it", async () => {
  const steps: Record<string, Step> = {
    fetched: { use: "http.fetch" },
    checked: { use: "file.validate", needs: ["fetched"], with: { max_size: "1KiB" } },
  };
  const alone = await run({ fetched: { use: "http.fetch" } }, ["/one"]);
  expect(alone.made).toMatchObject([{ step: "fetched", name: "one.txt", text: "text of /one\n" }]);
  const both = await run(steps, ["/two"], ["fetched", "checked"]);
  expect(both.made).toMatchObject([
    { step: "checked", name: "two.txt", text: "text of /two\n" },
    { step: "fetched", name: "two.txt", text: "text of /two\n" },
  ]);
});

test("a step of another stage takes what was fetched", async () => {
  const steps: Record<string, Step> = {
    fetched: { use: "http.fetch" },
    all: { use: "archive.zip", needs: ["fetched"] },
    stats: { use: "text.stats", needs: ["fetched"], batch: { items: 1 } },
  };
  const { status, made } = await run(steps, ["/one", "/two"]);
  expect(status).toBe("completed");
  expect(made.map(({ step }) => step)).toEqual(["all", "stats", "stats"]);
});

test("what can't be had ends its own item, with the reason; the others of its batch are done", async () => {
  const steps: Record<string, Step> = { fetched: { use: "http.fetch", with: { accept: ["text/*"] } } };
  const { status, exceptions, made } = await run(steps, ["/one", "/missing", "/image", '{"url":"http://10.0.0.1/"}', '{"link":1}', "/two"]);
  expect(status).toBe("failed");
  expect(made.map(({ ordinal }) => ordinal)).toEqual([0, 5]);
  expect(exceptions.map(({ ordinal, status: became, code }) => [ordinal, became, code])).toEqual([
    [1, "dead", "source_missing"],
    [2, "dead", "type_mismatch"],
    [3, "dead", "source_refused"],
    [4, "dead", "corrupt"],
  ]);
  expect(exceptions[0]?.message).toContain("404");
});

test("a server that fails for long burns attempts of its item alone, and is asked again", async () => {
  failing.set("/moody", 3);
  failing.set("/gone", 100);
  const steps: Record<string, Step> = { fetched: { use: "http.fetch", with: { tries: 2 }, attempts: 2, on_error: "skip" } };
  const { status, exceptions, made } = await run(steps, ["/moody", "/gone", "/one"]);
  expect(status).toBe("completed");
  expect(made.map(({ ordinal }) => ordinal).toSorted()).toEqual([0, 2]);
  expect(exceptions).toMatchObject([{ ordinal: 1, status: "skipped", code: "source_unavailable" }]);
  expect(web.asked.filter(({ path }) => path === "/gone")).toHaveLength(4);
});

test("inputs that `when` does not take pass by; a sibling of the step gets the documents", async () => {
  const steps: Record<string, Step> = {
    fetched: { use: "http.fetch", when: { media_type: ["application/json"] } },
    shown: { use: "text.stats", needs: ["fetched"] },
    inputs: { use: "text.stats" },
  };
  const { status, made } = await run(steps, ["/one", "just a text, and no URL\n"]);
  expect(status).toBe("completed");
  expect(made.map(({ step, ordinal }) => [step, ordinal])).toEqual([
    ["inputs", 0],
    ["inputs", 1],
    ["shown", 0],
  ]);
  expect(JSON.parse(made[0]?.text ?? "")).toMatchObject({ name: "doc.json" });
});

test("a worker that drains in the middle of a fetch hands its task back, which costs nothing, and leaves the server", async () => {
  const slow = await platform.worker({ lanes: ["slow"] });
  const files = [await platform.put(tenantId, "doc.json", document("/slow"))];
  const jobId = await platform.submit(tenantId, { steps: { fetched: { use: "http.fetch", lane: "slow" } } }, files);
  await expect.poll(() => web.asked.length, { timeout: 10_000 }).toBe(1);
  await slow.drain(10_000);
  const tasks = await engine.rows(sql`SELECT status, attempts, losses FROM tasks WHERE job_id = ${jobId}::uuid`);
  expect(tasks).toEqual([{ status: "ready", attempts: 0, losses: 0 }]);
  await expect.poll(() => hangups).toBe(1);
});
