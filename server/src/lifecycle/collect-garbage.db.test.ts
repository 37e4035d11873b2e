import { readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import pg from "pg";
import pino from "pino";
import { v7 as uuidv7 } from "uuid";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ClonedDatabase } from "../../test/database.ts";
import type { Engine } from "../../test/engine/engine.ts";
import type { Platform } from "../../test/engine/platform.ts";
import { openWorkingPlatform } from "../../test/engine/working-platform.ts";
import { sql } from "../db/sql.ts";
import { installFailpoint } from "../failpoint.ts";
import { cancelJob } from "../jobs/cancel.ts";
import { retryJob } from "../jobs/retry.ts";
import { insertFiles } from "../record/files.ts";
import { createObjectStores } from "../storage/object-stores.ts";
import { objectPath } from "../storage/disk-layout.ts";
import { receiveFile } from "../uploads/receive.ts";
import { collectGarbage } from "./collect-garbage.ts";

const HOUR_MS = 3_600_000;
const LARGE = "x".repeat(40_000);

let clone: ClonedDatabase;
let engine: Engine;
let platform: Platform;
let tenantId: string;
beforeAll(async () => {
  const opened = await openWorkingPlatform();
  ({ clone, engine, platform } = opened);
  return opened.close;
});
beforeEach(async () => {
  tenantId = await engine.tenant();
});

const collect = (graceMs = HOUR_MS) =>
  collectGarbage({
    database: clone.database,
    stores: createObjectStores([{ store: platform.store }]),
    graceMs,
    log: pino({ level: "silent" }),
  });

/** An upload that got no further than its bytes. */
async function unrecorded(text = LARGE) {
  const file = await receiveFile(Readable.from([Buffer.from(text)], { objectMode: false }), {
    contents: platform.contents,
    tenantId,
    name: "left.txt",
    metadata: {},
    maxBytes: 2 ** 30,
  });
  if (!("segments" in file.content)) throw new Error("a large file has segments");
  return { file, keys: file.content.segments.map((segment) => segment.key) };
}

async function makeOld(keys: readonly string[], ageMs = 2 * HOUR_MS): Promise<void> {
  const time = new Date(Date.now() - ageMs);
  for (const key of keys) await utimes(objectPath(platform.storeFolder, key), time, time);
}

const isThere = async (key: string | undefined) => (await platform.store.head(key ?? "none")) !== undefined;

async function keysOf(fileId: string): Promise<string[]> {
  const rows = await clone.database.asSystem((transaction) =>
    transaction.query<{ key: string }>(sql`SELECT object_key AS key FROM segments WHERE file_id = ${fileId}::uuid`),
  );
  return rows.map((row) => row.key);
}

async function intermediatesOf(jobId: string) {
  return await clone.database.asSystem((transaction) =>
    transaction.query<{ id: string; status: string; key: string | null }>(sql`
      SELECT files.id, status, object_key AS key FROM files LEFT JOIN segments ON segments.file_id = files.id
      WHERE job_id = ${jobId}::uuid AND origin = 'intermediate' ORDER BY files.id`),
  );
}

async function codesOf(jobId: string): Promise<string[]> {
  const rows = await clone.database.asSystem((transaction) =>
    transaction.query<{ code: string }>(sql`SELECT code FROM item_exceptions WHERE job_id = ${jobId}::uuid`),
  );
  return rows.map((row) => row.code);
}

describe("objects without a row", () => {
  test("are deleted once they are older than the grace; younger ones and those of a row stay", async () => {
    const old = await unrecorded();
    const young = await unrecorded();
    const kept = await platform.put(tenantId, "kept.txt", LARGE);
    await makeOld([...old.keys, ...(await keysOf(kept))]);
    await collect();
    expect(await isThere(old.keys[0])).toBe(false);
    expect(await isThere(young.keys[0])).toBe(true);
    expect(await isThere((await keysOf(kept))[0])).toBe(true);
  });

  test("stay while a newer object of the same file shows that it is still being sent", async () => {
    const { file, keys } = await unrecorded();
    await platform.store.put(`${tenantId}/${file.id}/0/1`, Readable.from([Buffer.from("next")], { objectMode: false }));
    await makeOld(keys);
    await collect();
    expect(await isThere(keys[0])).toBe(true);
  });

  test("of a file that is recorded after all can't become rows without bytes", async () => {
    const { file, keys } = await unrecorded();
    await makeOld(keys);
    await collect();
    expect(await isThere(keys[0])).toBe(false);
    const late = clone.database.asTenant(tenantId, (transaction) => insertFiles(transaction, [file]));
    await expect(late).rejects.toThrow(/duplicate key/);
  });

  test("are kept by a transaction that records them at this very moment", async () => {
    const { file, keys } = await unrecorded();
    await makeOld(keys);
    const inserted = Promise.withResolvers<void>();
    const mayCommit = Promise.withResolvers<void>();
    const recording = clone.database.asTenant(tenantId, async (transaction) => {
      await insertFiles(transaction, [file]);
      inserted.resolve();
      await mayCommit.promise;
    });
    await inserted.promise;
    const collecting = collect();
    await expect
      .poll(
        () =>
          clone.database
            .asSystem((transaction) => transaction.query(sql`SELECT FROM pg_locks WHERE NOT granted`))
            .then((rows) => rows.length),
        { timeout: 10_000 },
      )
      .toBeGreaterThan(0);
    mayCommit.resolve();
    await Promise.all([recording, collecting]);
    expect(await isThere(keys[0])).toBe(true);
    expect(await keysOf(file.id)).toEqual(keys);
  });

  test("go on being collected after a death between tombstone and deletion", async () => {
    const { keys } = await unrecorded();
    await makeOld(keys);
    const faults = installFailpoint("garbage-after-tombstones:error");
    await expect(collect()).rejects.toThrow("garbage-after-tombstones");
    faults.remove();
    expect(await isThere(keys[0])).toBe(true);
    await collect();
    expect(await isThere(keys[0])).toBe(false);
  });

  test("that no key of ours made are deleted too", async () => {
    const key = `stray-${uuidv7()}`;
    await platform.store.put(key, Readable.from([Buffer.from("stray")], { objectMode: false }));
    await makeOld([key]);
    await collect();
    expect(await isThere(key)).toBe(false);
  });

  test("and everybody's live files survive ten rounds at once, over more than one batch", async () => {
    const others = await Promise.all(
      Array.from({ length: 3 }, async (_unused, index) => {
        const other = await engine.tenant();
        return { other, id: await platform.put(other, `live-${index}`, LARGE) };
      }),
    );
    const orphans = Array.from({ length: 1_100 }, () => `${tenantId}/${uuidv7()}/0/0`);
    await Promise.all(orphans.map((key) => platform.store.put(key, Readable.from([Buffer.from("o")], { objectMode: false }))));
    await makeOld([...orphans, ...(await Promise.all(others.map(({ id }) => keysOf(id)))).flat()]);
    const rounds = await Promise.all(Array.from({ length: 10 }, () => collect()));
    expect(Math.max(...rounds.map((round) => round.orphanObjects))).toBeGreaterThan(0);
    expect((await Promise.all(orphans.map(isThere))).filter(Boolean)).toEqual([]);
    for (const { id } of others) expect(await isThere((await keysOf(id))[0])).toBe(true);
  });
});

describe("intermediates", () => {
  const steps = {
    many: { use: "demo.many", with: { count: 2, bytes: 20_000 } },
    each: { use: "demo.noop", needs: ["many"] },
    all: { use: "demo.count", needs: ["each"] },
  };

  test("of a completed job go, rows first; a death before the objects heals", async () => {
    const jobId = await platform.submit(tenantId, { steps, outputs: ["all"] }, [await platform.put(tenantId, "a", "a")]);
    expect(await platform.ended(jobId)).toBe("completed");
    const before = await intermediatesOf(jobId);
    expect(before.map((file) => file.status)).toEqual(["stored", "stored"]);
    const faults = installFailpoint("garbage-after-rows-before-objects:error");
    await expect(collect()).rejects.toThrow("garbage-after-rows-before-objects");
    faults.remove();
    expect((await intermediatesOf(jobId)).map((file) => [file.status, file.key])).toEqual([
      ["deleted", null],
      ["deleted", null],
    ]);
    expect(await isThere(before[0]?.key ?? "")).toBe(true);
    await makeOld(before.map((file) => file.key ?? ""));
    await collect();
    expect(await Promise.all(before.map((file) => isThere(file.key ?? "")))).toEqual([false, false]);
    expect(await platform.outputs(tenantId, jobId)).toMatchObject([{ text: JSON.stringify({ inputs: 2, bytes: 40_000 }) }]);
  });

  test("that a later step handed on as its output stay with it", async () => {
    const jobId = await platform.submit(tenantId, { steps: { many: steps.many, each: steps.each }, outputs: ["each"] }, [
      await platform.put(tenantId, "a", "a"),
    ]);
    expect(await platform.ended(jobId)).toBe("completed");
    await collect();
    const outputs = await platform.outputs(tenantId, jobId);
    expect(outputs.map((output) => output.text.length)).toEqual([20_000, 20_000]);
  });

  test("of a failed job stay for its retry, and go after a week", async () => {
    const failing = { use: "demo.fail", needs: ["many"], with: { code: "corrupt" } };
    const pipeline = { steps: { many: steps.many, each: failing, all: { use: "demo.count", needs: ["each"] } }, outputs: ["all"] };
    const jobId = await platform.submit(tenantId, pipeline, [await platform.put(tenantId, "a", "a")]);
    expect(await platform.ended(jobId)).toBe("failed");
    await collect();
    expect((await intermediatesOf(jobId)).map((file) => file.status)).toEqual(["stored", "stored"]);
    await retryJob(clone.database, { tenantId, jobId, actor: "key_test" });
    expect(await platform.ended(jobId)).toBe("failed");
    // It read its input again; one that was gone would have said input_dead.
    expect(await codesOf(jobId)).toEqual(["corrupt", "corrupt"]);

    await clone.database.asSystem((transaction) =>
      transaction.execute(sql`UPDATE jobs SET finished_at = now() - interval '6 days' WHERE id = ${jobId}::uuid`),
    );
    await collect();
    expect((await intermediatesOf(jobId)).map((file) => file.status)).toContain("stored");
    await clone.database.asSystem((transaction) =>
      transaction.execute(sql`UPDATE jobs SET finished_at = now() - interval '8 days' WHERE id = ${jobId}::uuid`),
    );
    await collect();
    expect((await intermediatesOf(jobId)).map((file) => file.status)).not.toContain("stored");
  });

  test("of a job that runs stay; of a cancelled one they go at once", async () => {
    const slow = { use: "demo.sleep", needs: ["many"], with: { ms: 600_000 } };
    const jobId = await platform.submit(tenantId, { steps: { many: steps.many, slow } }, [await platform.put(tenantId, "a", "a")]);
    await expect.poll(() => platform.hosts.hosts().filter((host) => host.isBusy).length, { timeout: 10_000 }).toBeGreaterThan(0);
    await expect.poll(() => intermediatesOf(jobId).then((files) => files.length), { timeout: 10_000 }).toBe(2);
    await collect();
    expect((await intermediatesOf(jobId)).map((file) => file.status)).toEqual(["stored", "stored"]);
    await cancelJob(clone.database, { tenantId, jobId, actor: "key_test" });
    await collect();
    expect((await intermediatesOf(jobId)).map((file) => file.status)).toEqual(["deleted", "deleted"]);
  });
});

test("temp files that nobody writes any more go, young ones stay", async () => {
  const folder = join(platform.storeFolder, "tmp");
  for (const name of ["of-a-run.young", "of-a-run.old"]) await writeFile(join(folder, name), "half");
  const hoursAgo = new Date(Date.now() - 2 * 60 * 60 * 1_000);
  await utimes(join(folder, "of-a-run.old"), hoursAgo, hoursAgo);
  await collect();
  const left = await readdir(folder);
  expect(left).toContain("of-a-run.young");
  expect(left).not.toContain("of-a-run.old");
});

test("rows that were for a time go, each by its own age", async () => {
  const jobId = await platform.submit(tenantId, { steps: { noop: { use: "demo.sleep", with: { ms: 600_000 } } } }, [
    await platform.put(tenantId, "a", "a"),
  ]);
  const admin = new pg.Client({ connectionString: clone.adminUrl });
  await admin.connect();
  await admin.query("UPDATE filemill.events SET created_at = now() - interval '8 days' WHERE tenant_id = $1", [tenantId]);
  await admin.end();
  await clone.database.asSystem(async (transaction) => {
    await transaction.execute(sql`
      INSERT INTO idempotency_keys (tenant_id, key, request_sha256, status, answer, created_at)
      SELECT ${tenantId}::uuid, 'age ' || hours, '', 200, '{}', now() - hours * interval '1 hour' FROM unnest(ARRAY[23, 25]) AS hours`);
    await transaction.execute(sql`
      INSERT INTO workers (id, host, pid, lanes, slots, status, seen_at)
      SELECT gen_random_uuid(), 'old', hours, '{}', 1, 'gone', now() - hours * interval '1 hour' FROM unnest(ARRAY[23, 25]) AS hours`);
    await transaction.execute(sql`
      INSERT INTO events (tenant_id, type, data, created_at)
      SELECT ${tenantId}::uuid, 'file.deleted', jsonb_build_object('days', days), now() - days * interval '1 day' FROM unnest(ARRAY[6, 8]) AS days`);
  });
  await collect();
  const left = await clone.database.asSystem(async (transaction) => ({
    keys: await transaction.query(sql`SELECT key FROM idempotency_keys WHERE tenant_id = ${tenantId}::uuid`),
    workers: await transaction.query(sql`SELECT pid FROM workers WHERE host = 'old'`),
    events: await transaction.query<{ type: string }>(sql`SELECT type FROM events WHERE tenant_id = ${tenantId}::uuid ORDER BY id`),
  }));
  await cancelJob(clone.database, { tenantId, jobId, actor: "key_test" });
  expect(left.keys).toEqual([{ key: "age 23" }]);
  expect(left.workers).toEqual([{ pid: 23 }]);
  // file.stored is of no job and old; those of the job stay while it is open.
  expect(left.events.map((event) => event.type)).toEqual(expect.arrayContaining(["job.queued", "file.deleted"]));
  expect(left.events.filter((event) => ["file.stored"].includes(event.type))).toEqual([]);
  expect(left.events.filter((event) => event.type === "file.deleted")).toHaveLength(1);
});
