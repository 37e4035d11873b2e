import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sql } from "../../src/db/sql.ts";
import { cloneDatabase, type ClonedDatabase } from "../database.ts";
import { openEngine, type Engine } from "../engine/engine.ts";
import { openPlatform, type Platform } from "../engine/platform.ts";
import { expectConsistent } from "./consistency.ts";
import { IN_A_GENERATOR, IN_A_SOURCE } from "./places.ts";
import { endProcesses, startWorkerProcess, type Installation } from "./processes.ts";

/**
 * A worker process is killed while it lists a folder of several pages, or fetches from it. Another one goes on at the cursor:
 * in the end every file of the folder is exactly one item, collected once.
 */
const FILES = 1_050;
/** More than a row holds, so that each is an object of the store that may be left behind. */
const LARGE_FILES = 20;
const ENDS_WITHIN_MS = 120_000;
/** In the middle: the first page is listed, or the first task's files are there. */
const HITS: Readonly<Record<(typeof IN_A_SOURCE)[number], number>> = {
  "source-page-after-hold": 2,
  "source-page-before-commit": 2,
  "source-page-after-commit": 2,
  "collect-after-put-before-commit": 1,
};

let clone: ClonedDatabase;
let engine: Engine;
let platform: Platform;
let at: Installation;
let folder: string;
beforeAll(async () => {
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  platform = await openPlatform(clone.database);
  at = { databaseUrl: clone.url, storeFolder: platform.storeFolder, dataFolder: await mkdtemp(join(tmpdir(), "filemill-sources-")) };
  folder = join(at.dataFolder, "inbox");
  await mkdir(folder);
  for (let number = 0; number < FILES; number++) {
    await writeFile(join(folder, `${number}.txt`), number < LARGE_FILES ? `${number}\n`.repeat(8_000) : `${number}\n`);
    await utimes(join(folder, `${number}.txt`), new Date(), new Date(number * 1_000));
  }
});
afterAll(async () => {
  await endProcesses();
  await platform.close();
  await clone.close();
  await rm(at.dataFolder, { recursive: true, force: true });
});

test.each(IN_A_SOURCE)("a worker killed at %s loses no object and doubles none", { timeout: 2 * ENDS_WITHIN_MS }, async (failpoint) => {
  const tenantId = await engine.tenant();
  const lane = `at-${failpoint.slice(0, 20)}`;
  const jobId = await platform.submitSource(
    tenantId,
    { steps: { pass: { use: "demo.copy", lane, when: { media_type: ["image/*"] } } } },
    { kind: "folder", path: folder, lane, settle: "10ms" },
  );
  const variables = { FILEMILL_WATCH_ROOTS: `${folder}?tenants=*` };
  const victim = startWorkerProcess(at, { lanes: [lane], failpoint: `${failpoint}:kill:${HITS[failpoint]}`, variables });
  const { signal } = await victim.exited;
  expect(signal, `${failpoint} was not reached:\n${victim.output()}`).toBe("SIGKILL");

  // What it held is free when its leases have ended; it is dead for certain.
  await engine.rows(sql`UPDATE tasks SET lease_until = now() - interval '1 second' WHERE status = 'running' AND job_id = ${jobId}::uuid`);
  const heir = startWorkerProcess(at, { lanes: [lane], slots: 2, variables });
  expect(await platform.ended(jobId, ENDS_WITHIN_MS), heir.output()).toBe("completed");
  await heir.ready;
  heir.signal("SIGTERM");
  expect((await heir.exited).code, heir.output()).toBe(0);
  await expectEachOnce(jobId);
});

test.each(IN_A_GENERATOR)("a worker killed at %s generates each input once", { timeout: 2 * ENDS_WITHIN_MS }, async (failpoint) => {
  const count = 20_500;
  const tenantId = await engine.tenant();
  const lane = `at-${failpoint.slice(0, 20)}`;
  const steps = { pass: { use: "demo.copy", lane, when: { media_type: ["image/*"] }, batch: { items: 2_000 } } };
  const jobId = await platform.submitSource(tenantId, { steps }, { kind: "generate", count });
  const victim = startWorkerProcess(at, { lanes: [lane], failpoint: `${failpoint}:kill:2` });
  expect((await victim.exited).signal, `${failpoint} was not reached:\n${victim.output()}`).toBe("SIGKILL");

  await engine.rows(sql`UPDATE tasks SET lease_until = now() - interval '1 second' WHERE status = 'running' AND job_id = ${jobId}::uuid`);
  const heir = startWorkerProcess(at, { lanes: [lane], slots: 2 });
  expect(await platform.ended(jobId, ENDS_WITHIN_MS), heir.output()).toBe("completed");
  await heir.ready;
  heir.signal("SIGTERM");
  expect((await heir.exited).code, heir.output()).toBe(0);
  const [entries] = await engine.rows(sql`
    SELECT count(*) AS items, count(DISTINCT ordinal) AS ordinals, max(ordinal) AS last FROM tasks JOIN task_inputs ON task_id = id, unnest(ordinals) AS ordinal
    WHERE tasks.job_id = ${jobId}::uuid`);
  expect(entries).toEqual({ items: count, ordinals: count, last: count - 1 });
});

test("nothing is left in the store that no row names", async () => {
  await expectConsistent(clone.database, platform.storeFolder);
});

async function expectEachOnce(jobId: string): Promise<void> {
  const [source] = await engine.rows<{ listed: number; collected: number; unchanged: number; next: number }>(sql`
    SELECT listed, collected, unchanged, next_ordinal AS next FROM job_sources JOIN jobs ON id = job_id WHERE job_id = ${jobId}::uuid`);
  expect(source).toEqual({ listed: FILES, collected: FILES, unchanged: 0, next: FILES });
  const items = await engine.rows<{ name: string; sha256: string }>(sql`
    SELECT files.name, encode(files.sha256, 'hex') AS sha256 FROM source_items JOIN files ON files.id = source_items.file_id
    WHERE source_items.job_id = ${jobId}::uuid ORDER BY files.name`);
  const names = Array.from({ length: FILES }, (_unused, number) => `${number}.txt`).toSorted();
  expect(items.map((item) => item.name)).toEqual(names);
  const [first] = items;
  expect(first?.sha256).toBe(
    createHash("sha256")
      .update(await readFile(join(folder, first?.name ?? "")))
      .digest("hex"),
  );
  const [entries] = await engine.rows<{ ordinals: number; distinct: number }>(sql`
    SELECT count(*) AS ordinals, count(DISTINCT ordinal) AS distinct
    FROM task_inputs JOIN tasks ON id = task_id AND stage = 2 CROSS JOIN LATERAL unnest(ordinals) AS ordinal WHERE tasks.job_id = ${jobId}::uuid`);
  expect(entries).toEqual({ ordinals: FILES, distinct: FILES });
}
