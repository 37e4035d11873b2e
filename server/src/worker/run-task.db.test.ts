import { rm, truncate } from "node:fs/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import { cloneDatabase, type ClonedDatabase } from "../../test/database.ts";
import { openEngine, type Engine } from "../../test/engine/engine.ts";
import { openPlatform, type Platform } from "../../test/engine/platform.ts";
import { sql } from "../db/sql.ts";
import { StorageError } from "../errors.ts";
import { cancelJob } from "../jobs/cancel.ts";
import { MAX_HANDBACKS } from "../queue/release.ts";
import { objectPath } from "../storage/disk-layout.ts";
import { contentsWith } from "../../test/contents-in.ts";
import { keysFor } from "../../test/tenant-keys.ts";
import type { ObjectStore } from "../storage/object-store.ts";

let clone: ClonedDatabase;
let engine: Engine;
let platform: Platform;
let tenantId: string;
/** Keys that the store does not give at the moment. */
const refused = new Set<string>();
/** Keys that were asked for. */
const fetched: string[] = [];
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  platform = await openPlatform(clone.database);
  tenantId = await engine.tenant();
  const { store } = platform;
  const moody: ObjectStore = {
    ...store,
    async get(key, options) {
      if (refused.has(key)) throw new StorageError("unavailable", `get ${key}: the store is away`);
      fetched.push(key);
      return await store.get(key, options);
    },
  };
  // It claims for six slots and has hosts for two, so that some tasks are always held ahead, however fast the machine.
  await platform.worker({ contents: contentsWith(moody, keysFor(clone.database)), slots: 6, aheadBytes: 100_000 });
});
afterAll(async () => {
  await platform.close();
  await clone.close();
});

const put = () => Promise.all([0, 1, 2].map((index) => platform.put(tenantId, `file-${index}.txt`, `${index}\n`.repeat(20_000))));
const pathOf = async (fileId: string) => objectPath(platform.storeFolder, await keyOf(fileId));

async function keyOf(fileId: string): Promise<string> {
  const [row] = await engine.rows<{ key: string }>(sql`SELECT object_key AS key FROM segments WHERE file_id = ${fileId}::uuid`);
  if (!row) throw new Error("the file has no object; it is too small");
  return row.key;
}

interface TaskRow {
  readonly status: string;
  readonly attempts: number;
  readonly losses: number;
  readonly error: { readonly class: string; readonly code: string; readonly message: string } | null;
}

const tasksOf = (jobId: string) =>
  engine.rows<TaskRow>(sql`SELECT status, attempts, losses, error FROM tasks WHERE job_id = ${jobId}::uuid ORDER BY status, id`);
const exceptionsOf = (jobId: string) =>
  engine.rows<{ ordinal: number; status: string; code: string; message: string }>(
    sql`SELECT ordinal, status, code, message FROM item_exceptions WHERE job_id = ${jobId}::uuid ORDER BY ordinal`,
  );
const ordinalsOf = async (jobId: string) => (await platform.outputs(tenantId, jobId)).map((output) => output.ordinal);

const STATS: PipelineDocument = { steps: { stats: { use: "text.stats" } } };
const HARM: readonly [string, (path: string) => Promise<void>][] = [
  ["lost", (path) => rm(path)],
  ["damaged", (path) => truncate(path, 10_000)],
];

describe.each(HARM)("an input whose object is %s", (what, harm) => {
  test("ends its item as corrupt; the others of its batch are done", async () => {
    const files = await put();
    await harm(await pathOf(files[1] ?? ""));
    const jobId = await platform.submit(tenantId, STATS, files);
    expect(await platform.ended(jobId)).toBe("failed");
    expect(await exceptionsOf(jobId)).toEqual([
      { ordinal: 1, status: "dead", code: "corrupt", message: expect.stringMatching(new RegExp(`"file-1.txt" is ${what}\\.`)) },
    ]);
    expect(await ordinalsOf(jobId)).toEqual([0, 2]);
  });

  test("ends a reduce over it as a whole", async () => {
    const files = await put();
    await harm(await pathOf(files[1] ?? ""));
    const jobId = await platform.submit(tenantId, { steps: { all: { use: "demo.count" } } }, files);
    expect(await platform.ended(jobId)).toBe("failed");
    expect(await tasksOf(jobId)).toMatchObject([{ status: "dead", error: { class: "bad_input", code: "corrupt" } }]);
  });
});

describe("an input that the store does not give", () => {
  test("burns nothing and is done when the store gives it again", async () => {
    const files = await put();
    const key = await keyOf(files[2] ?? "");
    refused.add(key);
    const jobId = await platform.submit(tenantId, STATS, files);
    const handbacks = async () =>
      (await engine.rows<{ handbacks: number }>(sql`SELECT handbacks FROM tasks WHERE job_id = ${jobId}::uuid`))[0]?.handbacks;
    await expect.poll(handbacks, { timeout: 5_000 }).toBe(1);
    refused.delete(key);
    expect(await platform.ended(jobId)).toBe("completed");
    expect(await tasksOf(jobId)).toMatchObject([{ status: "succeeded", attempts: 0, losses: 0 }]);
  });

  test("is lost in the end, alone of its batch", async () => {
    const files = await put();
    refused.add(await keyOf(files[2] ?? ""));
    const jobId = await platform.submit(tenantId, STATS, files);
    await engine.rows(sql`UPDATE tasks SET handbacks = ${MAX_HANDBACKS - 2} WHERE job_id = ${jobId}::uuid`);
    // Whoever was faster: one more hand-back, and no wait for it.
    await expect
      .poll(
        async () => {
          await engine.rows(
            sql`UPDATE tasks SET run_at = now(), handbacks = ${MAX_HANDBACKS - 1} WHERE job_id = ${jobId}::uuid AND status = 'ready'`,
          );
          return (await exceptionsOf(jobId)).length;
        },
        { timeout: 12_000, interval: 200 },
      )
      .toBe(1);
    expect(await platform.ended(jobId)).toBe("failed");
    expect(await exceptionsOf(jobId)).toMatchObject([{ ordinal: 2, status: "dead", code: "lost" }]);
    expect((await tasksOf(jobId)).map(({ status, attempts, losses }) => ({ status, attempts, losses }))).toContainEqual({
      ...{ status: "succeeded", attempts: 0, losses: 0 },
    });
    expect(await ordinalsOf(jobId)).toEqual([0, 1]);
  });
});

test("the objects of a completion that the database refuses are deleted", async () => {
  const keys = async () => (await Array.fromAsync(platform.store.list(""))).length;
  const files = await put();
  const before = await keys();
  const admin = new pg.Client({ connectionString: clone.adminUrl });
  await admin.connect();
  await admin.query("ALTER TABLE filemill.files ADD CONSTRAINT refused CHECK (origin <> 'output' OR name <> 'file-1.txt') NOT VALID");
  await admin.end();
  const jobId = await platform.submit(tenantId, { steps: { copy: { use: "demo.copy", attempts: 1 } } }, files);
  expect(await platform.ended(jobId)).toBe("failed");
  expect(await ordinalsOf(jobId)).toEqual([0, 2]);
  expect(await keys()).toBe(before + 2);
});

test("of many claimed tasks only so many bytes of input are fetched before a host is free", async () => {
  const large = await Promise.all(
    Array.from({ length: 12 }, (_unused, index) => platform.put(tenantId, `large-${index}`, "x".repeat(60_000))),
  );
  fetched.length = 0;
  const slow = { steps: { sleep: { use: "demo.sleep", with: { ms: 60_000 }, batch: { items: 1 } } } };
  const jobId = await platform.submit(tenantId, slow, large);
  const running = sql`SELECT 1 FROM tasks WHERE job_id = ${jobId}::uuid AND status = 'running'`;
  // Two run, at least four more are held; one of those is fetched, as the budget has no room for two.
  await expect.poll(async () => (await engine.rows(running)).length, { timeout: 15_000 }).toBeGreaterThan(5);
  await expect.poll(() => fetched.length, { timeout: 15_000 }).toBe(3);
  expect(fetched).toHaveLength(3);
  await cancelJob(clone.database, { tenantId, jobId, actor: "key_test" });
  expect(await platform.ended(jobId)).toBe("cancelled");
});
