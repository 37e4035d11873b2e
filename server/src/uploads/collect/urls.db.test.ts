import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { CollectedSource } from "@filemill/contract/source.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import { startWebServer, type WebServer } from "../../../test/collect/web-server.ts";
import { cloneDatabase, type ClonedDatabase } from "../../../test/database.ts";
import { openEngine, type Engine } from "../../../test/engine/engine.ts";
import { openPlatform, type Platform } from "../../../test/engine/platform.ts";
import { sql } from "../../db/sql.ts";
import { cancelJob } from "../../jobs/cancel.ts";
import { getJob } from "../../jobs/queries.ts";
import { retryJob } from "../../jobs/retry.ts";

let clone: ClonedDatabase;
let engine: Engine;
let platform: Platform;
let tenantId: string;
let web: WebServer;
let isSlow = true;
/** Answers that were not waited for. */
let hangups = 0;
/** What is missing at first is there. */
let isLater = false;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  platform = await openPlatform(clone.database);
  await platform.worker();
  web = await startWebServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://web");
    const status = Number(/^\/status\/(\d+)/.exec(url.pathname)?.[1] ?? 0);
    if (status > 0) return response.writeHead(status).end();
    if (url.pathname.startsWith("/later/") && !isLater) return response.writeHead(404).end();
    if (url.pathname === "/inward") return response.writeHead(302, { location: "http://169.254.169.254/latest/meta-data" }).end();
    if (url.pathname === "/cut") {
      response.writeHead(200, { "content-length": 100 }).write("only this");
      return setImmediate(() => response.destroy());
    }
    if (url.pathname === "/slow" && isSlow) {
      response.once("close", () => (hangups += 1));
      return response.writeHead(200).write("begun");
    }
    if (url.pathname === "/large") return response.writeHead(200).end("x".repeat(100_000));
    if (url.pathname === "/endless") {
      response.writeHead(200);
      const more = () => void (response.destroyed || response.write("x".repeat(10_000), more));
      return more();
    }
    if (url.pathname === "/packed") return response.writeHead(200, { "content-encoding": "gzip" }).end("packed");
    if (url.pathname === "/named")
      return response.writeHead(200, { "content-disposition": `attachment; filename="../a b.txt"` }).end("named");
    const etag = `"${url.pathname}"`;
    if (request.headers["if-none-match"] === etag) return response.writeHead(304).end();
    return response.writeHead(200, { etag, "last-modified": "Sun, 01 Nov 2026 10:00:00 GMT" }).end(`text of ${url.pathname}\n`);
  });
});
afterAll(async () => {
  await web.close();
  await platform.close();
  await clone.close();
});
beforeEach(async () => {
  tenantId = await engine.tenant();
  web.asked.length = 0;
  hangups = 0;
});

const COPY = { steps: { copy: { use: "demo.copy" } } };
const urls = (paths: readonly string[], more: Partial<Extract<CollectedSource, { kind: "urls" }>> = {}): CollectedSource => ({
  kind: "urls",
  urls: paths.map((path) => web.url + path),
  ...more,
});

async function run(source: CollectedSource, pipeline = COPY): Promise<string> {
  const jobId = await platform.submitSource(tenantId, pipeline, source);
  await platform.ended(jobId, 25_000);
  return jobId;
}

const texts = async (jobId: string) => (await platform.outputs(tenantId, jobId)).map((output) => output.text);
const deadOf = (jobId: string) =>
  engine.rows<{ ordinal: number; code: string; message: string }>(
    sql`SELECT ordinal, code, message FROM item_exceptions WHERE job_id = ${jobId}::uuid AND status = 'dead' ORDER BY ordinal`,
  );

describe("a list of URLs", () => {
  test("becomes files with their names and sources, in its order, and the pipeline runs over them", async () => {
    const jobId = await run(urls(["/b.txt", "/a.txt?x-amz-signature=secret&page=2#part", "/named"]));
    expect(await texts(jobId)).toEqual(["text of /b.txt\n", "text of /a.txt\n", "named"]);
    const job = await getJob(clone.database, { tenantId, jobId });
    expect(job).toMatchObject({
      status: "completed",
      progress: 100,
      counts: { total: 3, succeeded: 3 },
      source: { kind: "urls", status: "ended", listed: 3, collected: 3, unchanged: 0, collected_bytes: 35 },
    });
    const sources = await engine.rows<{ name: string; location: string; etag: string | null }>(sql`
      SELECT files.name, location, etag FROM file_sources JOIN files ON files.id = file_id WHERE file_sources.job_id = ${jobId}::uuid ORDER BY files.name DESC`);
    expect(sources).toEqual([
      { name: "b.txt", location: `${web.url}/b.txt`, etag: '"/b.txt"' },
      { name: "a.txt", location: `${web.url}/a.txt?page=2`, etag: '"/a.txt"' },
      { name: "a b.txt", location: `${web.url}/named`, etag: null },
    ]);
    const kept = await engine.rows<{ text: string }>(sql`
      SELECT (SELECT spec::text FROM job_sources WHERE job_id = ${jobId}::uuid) || (SELECT string_agg(location, ' ') FROM source_items WHERE job_id = ${jobId}::uuid) AS text`);
    expect(kept[0]?.text).not.toContain("secret");
  });

  test("may be a stored file with one URL a line", async () => {
    const list = ["# a comment", `  ${web.url}/one.txt  `, "", `${web.url}/two.txt`].join("\r\n");
    const fileId = await platform.put(tenantId, "list.txt", `\ufeff${list}`);
    const jobId = await run({ kind: "urls", file: encodeId("file", fileId) });
    expect(await texts(jobId)).toEqual(["text of /one.txt\n", "text of /two.txt\n"]);
  });

  test("asks only whether what this tenant has is unchanged, and uses that", async () => {
    const first = await run(urls(["/same.txt"]));
    const second = await run(urls(["/same.txt", "/new.txt"]));
    expect(await texts(second)).toEqual(["text of /same.txt\n", "text of /new.txt\n"]);
    expect(web.asked.at(-1)?.headers["if-none-match"] ?? web.asked.at(-2)?.headers["if-none-match"]).toBe('"/same.txt"');
    const { source } = await getJob(clone.database, { tenantId, jobId: second });
    expect(source).toMatchObject({ listed: 2, collected: 1, unchanged: 1 });
    const inputs = await engine.rows<{ files: string }>(
      sql`SELECT array_agg(DISTINCT file_id)::text AS files FROM source_items WHERE job_id = ANY(${[first, second]}::uuid[])`,
    );
    expect(inputs[0]?.files.split(",")).toHaveLength(2);

    const again = await run(urls(["/same.txt"], { recollect: true }));
    expect((await getJob(clone.database, { tenantId, jobId: again })).source).toMatchObject({ collected: 1, unchanged: 0 });
    expect(web.asked.at(-1)?.headers["if-none-match"]).toBeUndefined();
  });

  test("does not take what was found damaged, or deleted, for what is there", async () => {
    for (const harm of [
      sql`INSERT INTO damaged_files (file_id, tenant_id, kind, detail) SELECT file_id, tenant_id, 'damaged', 'bits' FROM file_sources WHERE tenant_id = ${tenantId}::uuid ON CONFLICT DO NOTHING`,
      sql`UPDATE files SET status = 'deleted', deleted_at = now() WHERE tenant_id = ${tenantId}::uuid`,
    ]) {
      await run(urls(["/harmed.txt"]));
      await engine.rows(harm);
      const jobId = await run(urls(["/harmed.txt"]));
      expect((await getJob(clone.database, { tenantId, jobId })).source).toMatchObject({ collected: 1, unchanged: 0 });
    }
  });

  test("of another tenant is not known", async () => {
    await run(urls(["/theirs.txt"]));
    tenantId = await engine.tenant();
    const jobId = await run(urls(["/theirs.txt"]));
    expect((await getJob(clone.database, { tenantId, jobId })).source).toMatchObject({ collected: 1, unchanged: 0 });
  });
});

describe("a fetch under way", () => {
  const begun = (path: string) => expect.poll(() => web.asked.some((one) => one.path === path), { timeout: 10_000 }).toBe(true);
  const objects = async () => (await Array.fromAsync(platform.store.list(""))).length;

  test("is given up at once when its worker drains; another worker does it from the beginning", async () => {
    const before = await objects();
    const worker = await platform.worker({ lanes: ["leaving"] });
    const jobId = await platform.submitSource(tenantId, COPY, urls(["/slow", "/large"], { lane: "leaving" }));
    await begun("/slow");
    const started = performance.now();
    await worker.drain(60_000);
    expect(performance.now() - started).toBeLessThan(5_000);
    const tasks = await engine.rows(sql`SELECT status, attempts, losses FROM tasks WHERE job_id = ${jobId}::uuid AND stage = 1`);
    expect(tasks).toEqual([{ status: "ready", attempts: 0, losses: 0 }]);
    expect(await objects()).toBe(before);
    isSlow = false;
    await platform.worker({ lanes: ["leaving"] });
    expect(await platform.ended(jobId)).toBe("completed");
    isSlow = true;
  });

  test("is ended within two seconds when its job is cancelled", async () => {
    const before = await objects();
    const jobId = await platform.submitSource(tenantId, COPY, urls(["/slow", "/large"]));
    await begun("/slow");
    const started = performance.now();
    await cancelJob(clone.database, { tenantId, jobId, actor: "key_test" });
    await expect.poll(() => hangups, { timeout: 5_000, interval: 20 }).toBeGreaterThan(0);
    expect(performance.now() - started).toBeLessThan(2_000);
    await expect.poll(objects, { timeout: 5_000 }).toBe(before);
    expect((await getJob(clone.database, { tenantId, jobId })).source).toMatchObject({ status: "ended", collected: 0 });
  });
});

describe("a URL that can't be had ends its own item:", () => {
  test.each([
    ["/status/404", "source_missing"],
    ["/status/410", "source_missing"],
    ["/status/403", "source_denied"],
    ["/status/418", "source_denied"],
    ["/inward", "source_refused"],
    ["/packed", "source_refused"],
  ])("%s is %s, without a second try", async (path, code) => {
    const jobId = await run(urls(["/fine.txt", path]));
    expect(await deadOf(jobId)).toMatchObject([{ ordinal: 1, code }]);
    expect(await texts(jobId)).toEqual(["text of /fine.txt\n"]);
    expect((await getJob(clone.database, { tenantId, jobId })).status).toBe("failed");
    expect(web.asked.filter((one) => one.path === path)).toHaveLength(1);
  });

  test.each(["ftp://127.0.0.1/a", "file:///etc/passwd", "http://10.0.0.1/", "http://[::1]/", "http://user:pass@127.0.0.1/", "not a url"])(
    "%s is source_refused",
    async (url) => {
      const jobId = await run({ kind: "urls", urls: [url] });
      expect(await deadOf(jobId)).toMatchObject([{ ordinal: 0, code: "source_refused" }]);
    },
  );

  test.each(["/status/503", "/cut"])("%s is tried again before it is source_unavailable", async (path) => {
    const jobId = await platform.submitSource(tenantId, COPY, urls([path, "/fine.txt"]));
    await expect
      .poll(
        async () => {
          await engine.skipBackoffs();
          await engine.rows(sql`SELECT pg_notify('filemill_ready', 'default')`);
          return (await deadOf(jobId)).length;
        },
        { timeout: 20_000, interval: 100 },
      )
      .toBe(1);
    expect(await deadOf(jobId)).toMatchObject([{ ordinal: 0, code: "source_unavailable" }]);
    expect(web.asked.filter((one) => one.path === path)).toHaveLength(6);
    expect(await platform.ended(jobId)).toBe("failed");
  });

  test("what is larger, slower or of another type than the source takes", async () => {
    const large = await run(urls(["/endless"], { limits: { max_size: "50KiB" } }));
    expect(await deadOf(large)).toMatchObject([{ code: "limit_exceeded", message: expect.stringContaining("51200 bytes") }]);
    const other = await run(urls(["/plain.txt"], { limits: { accept: ["image/*"] } }));
    expect(await deadOf(other)).toMatchObject([{ code: "type_mismatch", message: expect.stringContaining("text/plain") }]);
    const total = await run(urls(["/a.txt", "/b.txt"], { limits: { max_total: "20B" } }));
    expect((await deadOf(total)).map(({ code }) => code)).toContain("limit_exceeded");
    // Longer than a timer can be.
    const patient = await run(urls(["/a.txt"], { limits: { timeout: "1000d" } }));
    expect((await getJob(clone.database, { tenantId, jobId: patient })).status).toBe("completed");
    const many = await run(urls(["/a.txt", "/b.txt"], { limits: { max_objects: 1 } }));
    expect((await getJob(clone.database, { tenantId, jobId: many })).error).toMatchObject({ code: "limit_exceeded" });
    const slow = await platform.submitSource(tenantId, COPY, urls(["/slow"], { limits: { timeout: "200ms" } }));
    await expect
      .poll(
        async () =>
          (await engine.rows<{ error: { code: string } }>(sql`SELECT error FROM tasks WHERE job_id = ${slow}::uuid AND stage = 1`))[0]
            ?.error?.code,
        {
          timeout: 10_000,
        },
      )
      .toBe("timeout");
  });

  test("and comes in by a retry, once it can be had", async () => {
    const pipeline = { steps: { all: { use: "demo.count" } } };
    const jobId = await platform.submitSource(tenantId, pipeline, urls(["/later/x.txt", "/a.txt"]));
    expect(await platform.ended(jobId)).toBe("failed");
    expect(await deadOf(jobId)).toMatchObject([{ ordinal: 0, code: "source_missing" }]);
    isLater = true;
    await retryJob(clone.database, { tenantId, jobId, actor: "key_test" });
    await engine.rows(sql`SELECT pg_notify('filemill_ready', 'default')`);
    expect(await platform.ended(jobId)).toBe("completed");
    expect((await getJob(clone.database, { tenantId, jobId })).source).toMatchObject({ listed: 2, collected: 2 });
    expect(await deadOf(jobId)).toEqual([]);
  });

  test("and with on_error skip the reduce runs over the others", async () => {
    const pipeline = { steps: { all: { use: "demo.count" } } };
    const jobId = await run(urls(["/status/404", "/a.txt", "/b.txt"], { on_error: "skip" }), pipeline as never);
    expect((await getJob(clone.database, { tenantId, jobId })).status).toBe("completed");
    const failing = await run(urls(["/status/404", "/a.txt"]), pipeline as never);
    expect((await getJob(clone.database, { tenantId, jobId: failing })).status).toBe("failed");
  });
});
