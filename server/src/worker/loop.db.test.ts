import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine } from "../../test/engine/engine.ts";
import { openPlatform, type Platform } from "../../test/engine/platform.ts";
import { sql } from "../db/sql.ts";
import { cancelJob } from "../jobs/cancel.ts";
import type { HostPool } from "./host/pool.ts";

let clone: ClonedDatabase;
let platform: Platform;
let tenantId: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  platform = await openPlatform(clone.database);
  tenantId = await openEngine(clone.database).tenant();
  await platform.worker();
});
afterAll(async () => {
  await platform.close();
  await clone.close();
});

const put = (count: number, content: (index: number) => string) =>
  Promise.all(Array.from({ length: count }, (_unused, index) => platform.put(tenantId, `file-${index}.txt`, content(index))));

describe("a worker with real step hosts", () => {
  test("runs a map over small files and keeps every output", async () => {
    const files = await put(60, (index) => `line ${index}\n`);
    const jobId = await platform.submit(tenantId, { steps: { stats: { use: "text.stats" } } }, files);
    expect(await platform.ended(jobId)).toBe("completed");
    const outputs = await platform.outputs(tenantId, jobId);
    expect(outputs.map((output) => output.ordinal)).toEqual(Array.from({ length: 60 }, (_unused, index) => index));
    expect(JSON.parse(outputs[7]?.text ?? "")).toMatchObject({ lines: 1 });
  });

  test("sums numbers through a tree, exactly", async () => {
    const files = await put(12, (index) => `${index}\n${10 ** 15 * index}\n`);
    const jobId = await platform.submit(tenantId, { steps: { sum: { use: "numbers.sum", fan_in: 3 } } }, files);
    expect(await platform.ended(jobId)).toBe("completed");
    const outputs = await platform.outputs(tenantId, jobId);
    expect(outputs.map((output) => output.text)).toEqual(["66\n66000000000000000\n"]);
  });

  test("a large output goes to the store, a poison item dies alone with its class", async () => {
    const files = await put(5, (index) => (index === 3 ? "poison" : "x".repeat(20_000)));
    const pipeline = { steps: { crash: { use: "demo.crash", with: { signal: "SIGSEGV", only: "file-3" } } } };
    const jobId = await platform.submit(tenantId, pipeline, files);
    expect(await platform.ended(jobId, 25_000)).toBe("failed");
    const rows = await clone.database.asSystem((transaction) =>
      transaction.query(sql`SELECT ordinal, status, code FROM item_exceptions WHERE job_id = ${jobId}::uuid`),
    );
    expect(rows).toEqual([{ ordinal: 3, status: "dead", code: "crashed" }]);
  });

  test("fan-out, map and gather", async () => {
    const files = await put(2, (index) => `parent ${index}`);
    const steps = {
      many: { use: "demo.many", with: { count: 3 } },
      each: { use: "text.stats", needs: ["many"] },
      all: { use: "demo.count", needs: ["each"] },
    };
    const jobId = await platform.submit(tenantId, { steps, outputs: ["all"] }, files);
    expect(await platform.ended(jobId)).toBe("completed");
    const outputs = await platform.outputs(tenantId, jobId);
    expect(outputs).toHaveLength(1);
    expect(JSON.parse(outputs[0]?.text ?? "")).toMatchObject({ inputs: 6 });
  });

  test("a kept output that a later stage handed on unchanged can be looked at", async () => {
    const files = await put(1, () => "hello\n");
    // Other attempts make another stage, so that the file crosses a boundary before it is handed on.
    const steps = { a: { use: "text.stats" }, b: { use: "file.validate", needs: ["a"], attempts: 2, with: { accept: ["*/*"] } } };
    const jobId = await platform.submit(tenantId, { steps, outputs: ["b"] }, files);
    expect(await platform.ended(jobId)).toBe("completed");
    const rows = await clone.database.asSystem((transaction) =>
      transaction.query(
        sql`SELECT step, origin FROM files WHERE id IN (SELECT file_id FROM outputs WHERE job_id = ${jobId}::uuid AND kept)`,
      ),
    );
    expect(rows).toEqual([{ step: "a", origin: "output" }]);
  });

  test("cancel stops running work within two seconds", async () => {
    const files = await put(1, () => "sleepy");
    const jobId = await platform.submit(tenantId, { steps: { sleep: { use: "demo.sleep", with: { ms: 60_000 } } } }, files);
    await expect.poll(() => platform.hosts.hosts().filter((host) => host.isBusy).length, { timeout: 5_000 }).toBe(1);
    const started = performance.now();
    await cancelJob(clone.database, { tenantId, jobId, actor: "key_test" });
    await expect.poll(() => platform.hosts.hosts().filter((host) => host.isBusy).length, { timeout: 5_000, interval: 20 }).toBe(0);
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(await platform.ended(jobId)).toBe("cancelled");
  });

  test("a worker that drains takes nothing new and ends what it has begun; a shorter drain cuts that off without an attempt", async () => {
    const leaving = await cloneDatabase();
    const other = await openPlatform(leaving.database);
    try {
      const tenant = await openEngine(leaving.database).tenant();
      const sleepy = await other.put(tenant, "sleepy.txt", "sleepy");
      const sleep = (ms: number) => other.submit(tenant, { steps: { sleep: { use: "demo.sleep", with: { ms } } } }, [sleepy]);
      let begun = 0;
      // Handed back at once is what waits for a host; only the pool says when one has begun.
      const hosts: HostPool = {
        ...other.hosts,
        run: (tenantId, run, options) => other.hosts.run(tenantId, run, { ...options, onBegun: () => (options.onBegun?.(), (begun += 1)) }),
      };
      const first = await other.worker({ hosts });
      const short = await sleep(1_000);
      await expect.poll(() => begun, { timeout: 20_000 }).toBe(1);
      const drained = first.drain(60_000);
      const long = await sleep(60_000);
      await drained;
      expect(await other.ended(short)).toBe("completed");
      const tasksOf = (job: string) =>
        leaving.database.asSystem((transaction) =>
          transaction.query(sql`SELECT status, attempts, losses FROM tasks WHERE job_id = ${job}::uuid`),
        );
      expect(await tasksOf(long)).toEqual([{ status: "ready", attempts: 0, losses: 0 }]);

      const second = await other.worker({ hosts });
      await expect.poll(() => begun, { timeout: 20_000 }).toBe(2);
      const slow = second.drain(60_000);
      await second.drain(0);
      await slow;
      expect(await tasksOf(long)).toEqual([{ status: "ready", attempts: 0, losses: 0 }]);
    } finally {
      await other.close();
      await leaving.close();
    }
  });
});
