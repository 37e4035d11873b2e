import { appendFile, mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, beforeEach, expect, test } from "vitest";
import type { FolderSource } from "@filemill/contract/source.ts";
import type { ClonedDatabase } from "../../../test/database.ts";
import type { Engine } from "../../../test/engine/engine.ts";
import type { Platform } from "../../../test/engine/platform.ts";
import { openWorkingPlatform } from "../../../test/engine/working-platform.ts";
import { sql } from "../../db/sql.ts";
import { cancelJob } from "../../jobs/cancel.ts";
import { getJob } from "../../jobs/queries.ts";

let clone: ClonedDatabase;
let engine: Engine;
let platform: Platform;
let tenantId: string;
let folder: string;
let folders = 0;
beforeAll(async () => {
  const opened = await openWorkingPlatform();
  ({ clone, engine, platform } = opened);
  return opened.close;
});
beforeEach(async () => {
  tenantId = await engine.tenant();
  folder = join(platform.inbox, `folder-${++folders}`);
  await mkdir(folder);
});

const COPY = { steps: { copy: { use: "demo.copy" } } };
const source = (more: Partial<FolderSource> = {}): FolderSource => ({ kind: "folder", path: folder, settle: "50ms", ...more });
const submit = (more: Partial<FolderSource> = {}) => platform.submitSource(tenantId, COPY, source(more));
const texts = async (jobId: string) => (await platform.outputs(tenantId, jobId)).map((output) => output.text);
const job = (jobId: string) => getJob(clone.database, { tenantId, jobId });
/** Pauses end when a worker's recovery comes by; no test waits for that. */
async function until(jobId: string, isThere: () => Promise<boolean>): Promise<void> {
  await expect
    .poll(
      async () => {
        await engine.skipBackoffs();
        await engine.rows(sql`SELECT pg_notify('filemill_ready', 'default')`);
        return await isThere();
      },
      { timeout: 20_000, interval: 100 },
    )
    .toBe(true);
}
const ended = (jobId: string) => until(jobId, async () => !["queued", "running"].includes((await job(jobId)).status));

test("the regular files of a folder become items; links lead nowhere", async () => {
  await mkdir(join(folder, "sub"));
  await writeFile(join(folder, "sub", "b.csv"), "b");
  await writeFile(join(folder, "a.csv"), "a");
  await writeFile(join(folder, "c.txt"), "c");
  await symlink("/etc/passwd", join(folder, "passwd.csv"));
  execFileSync("mkfifo", [join(folder, "pipe.csv")]);
  const jobId = await submit({ match: "**/*.csv" });
  await ended(jobId);
  expect((await texts(jobId)).toSorted()).toEqual(["a", "b"]);
  expect(await job(jobId)).toMatchObject({ status: "completed", source: { kind: "folder", status: "ended", listed: 2, collected: 2 } });
  const rows = await engine.rows<{ location: string }>(
    sql`SELECT location FROM file_sources WHERE tenant_id = ${tenantId}::uuid ORDER BY location`,
  );
  expect(rows.map((row) => row.location)).toEqual(
    [join(folder, "a.csv"), join(folder, "sub/b.csv")].map((path) => pathToFileURL(path).href),
  );
});

test("a second job reads only what has changed since", async () => {
  await writeFile(join(folder, "same"), "same");
  await writeFile(join(folder, "new"), "old content");
  await ended(await submit());
  await writeFile(join(folder, "new"), "new content");
  const second = await submit();
  await ended(second);
  // What was written a moment ago is listed a round later.
  expect((await texts(second)).toSorted()).toEqual(["new content", "same"]);
  expect((await job(second)).source).toMatchObject({ collected: 1, unchanged: 1 });
});

test("a file that is still being written is waited for", async () => {
  const path = join(folder, "growing");
  await writeFile(path, "begin, ");
  const jobId = await submit({ settle: "2s" });
  await until(
    jobId,
    async () => (await engine.rows(sql`SELECT 1 FROM job_sources WHERE job_id = ${jobId}::uuid AND cursor IS NOT NULL`)).length > 0,
  );
  await appendFile(path, "end");
  await ended(jobId);
  expect(await texts(jobId)).toEqual(["begin, end"]);
});

test("a watched folder gives each new file once, and one that changed again, until nothing has come for a while", async () => {
  await writeFile(join(folder, "first"), "1");
  // Longer than anything takes on a busy machine; till all has come.
  const jobId = await submit({ watch: { idle: "60s" } });
  await until(jobId, async () => (await texts(jobId)).length === 1);
  expect((await job(jobId)).status).toBe("running");
  expect((await job(jobId)).progress).toBeLessThan(100);
  // An old file that is moved in: its own time says nothing of when it came.
  const elsewhere = await mkdtemp(join(tmpdir(), "filemill-outside-"));
  await writeFile(join(elsewhere, "moved"), "2");
  await utimes(join(elsewhere, "moved"), new Date(0), new Date(0));
  await rename(join(elsewhere, "moved"), join(folder, "moved"));
  await rm(elsewhere, { recursive: true });
  await until(jobId, async () => (await texts(jobId)).length === 2);
  await writeFile(join(folder, "first"), "changed");
  await until(jobId, async () => (await texts(jobId)).length === 3);
  await engine.rows(sql`UPDATE job_sources SET spec = jsonb_set(spec, '{watch,idle}', '"1s"') WHERE job_id = ${jobId}::uuid`);
  await ended(jobId);
  expect(await texts(jobId)).toEqual(["1", "2", "changed"]);
  expect((await job(jobId)).source).toMatchObject({ status: "ended", listed: 3 });
});

test("a cancelled watch stops", async () => {
  const jobId = await submit({ watch: {} });
  await until(
    jobId,
    async () => (await engine.rows(sql`SELECT 1 FROM job_sources WHERE job_id = ${jobId}::uuid AND cursor IS NOT NULL`)).length > 0,
  );
  await cancelJob(clone.database, { tenantId, jobId, actor: "key_test" });
  await writeFile(join(folder, "late"), "late");
  await engine.skipBackoffs();
  expect(await engine.claim({ want: 10 })).toEqual([]);
  expect(await job(jobId)).toMatchObject({ status: "cancelled", counts: { total: 0 }, source: { status: "ended", listed: 0 } });
});

test.each([
  ["a folder that is not allowed", () => "/etc"],
  ["a path out of an allowed one", () => join(folder, "../../../etc")],
  ["a folder beside it that begins alike", () => `${platform.inbox}-other`],
  ["a folder that is not there", () => join(folder, "missing")],
  ["a relative path", () => "inbox"],
])("%s is refused", async (_what, path) => {
  const jobId = await platform.submitSource(tenantId, COPY, source({ path: path() }));
  await ended(jobId);
  expect(await job(jobId)).toMatchObject({ status: "failed", error: { code: "source_refused", step: null } });
});

test("a link out of an allowed folder is refused, as the folder and later in its place", async () => {
  await symlink("/etc", join(folder, "etc"));
  const jobId = await platform.submitSource(tenantId, COPY, source({ path: join(folder, "etc") }));
  await ended(jobId);
  expect((await job(jobId)).error).toMatchObject({ code: "source_refused" });

  // Somebody who may write there puts a link where a folder was listed.
  await mkdir(join(folder, "sub"));
  await writeFile(join(folder, "sub/hosts"), "mine");
  const slow = await platform.submitSource(tenantId, COPY, { ...source(), lane: "nobody" });
  await engine.rows(sql`UPDATE tasks SET lane = 'default' WHERE job_id = ${slow}::uuid`);
  await until(slow, async () => (await engine.rows(sql`SELECT 1 FROM source_items WHERE job_id = ${slow}::uuid`)).length > 0);
  await rm(join(folder, "sub"), { recursive: true });
  await symlink("/etc", join(folder, "sub"));
  await engine.rows(sql`UPDATE tasks SET lane = 'default' WHERE job_id = ${slow}::uuid`);
  await ended(slow);
  const dead = await engine.rows<{ code: string }>(sql`SELECT code FROM item_exceptions WHERE job_id = ${slow}::uuid`);
  expect(dead).toEqual([{ code: "source_refused" }]);
});
