import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { sql } from "../../src/db/sql.ts";
import { newKeyText } from "../../src/tenants/key-format.ts";
import { cloneDatabase, type ClonedDatabase } from "../database.ts";
import { endProcesses, startApiProcess, type RealProcess } from "../failpoints/processes.ts";
import { answerOf } from "../test-app.ts";
import { exchange } from "./exchange.ts";
import { FRAMING } from "./framing-rows.ts";
import { MULTIPART } from "./multipart-rows.ts";
import { KEPT_NAMES, REFUSED_NAMES } from "./names.ts";
import { REQUESTS } from "./request-rows.ts";
import type { HostileRow } from "./row.ts";

/**
 * Every hostile request goes byte by byte to a real API process, and has to get what it should; nothing of it may be kept
 * in the database, in the store or on the disk, and others are served behind it. All of them together may cost no more
 * memory than one honest upload.
 */
const MAX_GROWTH_BYTES = 96 * 2 ** 20;

const key = newKeyText();
let clone: ClonedDatabase;
let folder: string;
let api: RealProcess;
let port: number;
beforeAll(async () => {
  clone = await cloneDatabase();
  folder = await mkdtemp(join(tmpdir(), "filemill-hostile-"));
  const at = { databaseUrl: clone.url, storeFolder: join(folder, "store"), dataFolder: folder };
  api = startApiProcess(at, { key, variables: { FILEMILL_MAX_FILE_SIZE: "3000000B" } });
  port = await api.port;
  await honestUpload();
});
afterAll(async () => {
  await endProcesses();
  await clone.close();
  await rm(folder, { recursive: true, force: true });
});

afterEach(async () => {
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/files?limit=1`, { headers: { authorization: `Bearer ${key}` } });
  expect(answer.status).toBe(200);
});

async function honestUpload(): Promise<void> {
  const body = Buffer.alloc(2_900_000, "x");
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/files/honest.txt`, {
    method: "PUT",
    body,
    headers: { authorization: `Bearer ${key}` },
  });
  expect(answer.status, await answer.text()).toBe(201);
}

/** Rows, objects and whatever lies in the folders for what is under way. */
async function kept(): Promise<{ files: number; objects: number; underWay: string[] }> {
  const [row] = await clone.database.asSystem((transaction) =>
    transaction.query<{ files: number; objects: number }>(
      sql`SELECT (SELECT count(*) FROM files) AS files, (SELECT count(*) FROM segments) AS objects`,
    ),
  );
  const objects = (await readdir(join(folder, "store", "objects"), { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  const underWay = [...(await readdir(join(folder, "store", "tmp"))), ...(await readdir(join(folder, "spool")).catch(() => []))];
  expect(objects.length, "objects without a row, or rows without an object").toBe(row?.objects);
  return { files: row?.files ?? -1, objects: objects.length, underWay };
}

async function run(row: HostileRow): Promise<void> {
  const before = await kept();
  const answer = await exchange({ port, bytes: row.bytes(key), ...(row.end && { end: true }) });
  expect(answer.statuses, answer.raw.slice(0, 2_000)).toHaveLength(row.statuses.length);
  for (const [no, expected] of row.statuses.entries()) expect([expected].flat(), answer.raw.slice(0, 2_000)).toContain(answer.statuses[no]);
  if (row.code !== undefined) expect(answer.codes[0], answer.raw.slice(0, 2_000)).toBe(row.code);
  expect(answer.raw).not.toMatch(/\bat \S+ \(?\S+:\d+:\d+/);
  await expect.poll(async () => (await kept()).files, { timeout: 10_000 }).toBe(before.files + (row.stored ?? 0));
  await expect.poll(async () => (await kept()).underWay, { timeout: 10_000 }).toEqual([]);
}

describe.each([
  ["framing", FRAMING],
  ["requests", REQUESTS],
  ["multipart", MULTIPART],
] as const)("%s", (_label, rows) => {
  it.each(rows)("$name", run);
});

describe("names", () => {
  const put = (name: string) =>
    fetch(`http://127.0.0.1:${port}/api/v1/files/${encodeURIComponent(name)}`, {
      method: "PUT",
      body: "x",
      headers: { authorization: `Bearer ${key}` },
    });

  // "." and ".." are taken out of a URL by the client itself.
  it.each(KEPT_NAMES.filter((name) => name !== "." && name !== ".."))("%j is data: kept, and given back as one header", async (name) => {
    const answer = await put(name);
    const { files } = await answerOf(answer);
    expect([answer.status, files[0]?.name]).toEqual([201, name.normalize("NFC")]);
    const content = await fetch(`http://127.0.0.1:${port}/api/v1/files/${files[0]?.id}/content`, {
      headers: { authorization: `Bearer ${key}` },
    });
    const disposition = content.headers.get("content-disposition") ?? "";
    expect(disposition).toMatch(/^attachment; filename[^\r\n]*$/);
    expect(disposition).not.toMatch(/[^\x20-\x7e]/);
    expect(content.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await content.text()).toBe("x");
  });

  it.each(REFUSED_NAMES)("%s in a name is refused", async (_what, name) => {
    const before = await kept();
    const answer = await put(name);
    expect([answer.status, (await answerOf(answer)).code]).toEqual([400, "validation_failed"]);
    expect(await kept()).toEqual(before);
  });
});

describe("afterwards", () => {
  it("nothing was an error of ours", () => {
    expect(
      api
        .output()
        .split("\n")
        .filter((line) => /"level":(?:50|60)/.test(line)),
    ).toEqual([]);
  });

  it("the memory is what an honest upload takes", async () => {
    const peak = await memory("VmHWM");
    // Linux forgets the highest mark by this.
    await writeFile(`/proc/${api.pid}/clear_refs`, "5");
    for (let upload = 0; upload < 20; upload++) await honestUpload();
    expect(peak - (await memory("VmHWM"))).toBeLessThan(MAX_GROWTH_BYTES);
  });

  it("the folder of the data holds what the platform made, and nothing that a name asked for", async () => {
    expect((await readdir(folder)).filter((name) => !["store", "spool", "admin.key", "root.key"].includes(name))).toEqual([]);
  });
});

async function memory(field: "VmHWM" | "VmRSS"): Promise<number> {
  const status = await readFile(`/proc/${api.pid}/status`, "utf8");
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1_024;
}
