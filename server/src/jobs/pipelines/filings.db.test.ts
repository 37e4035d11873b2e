import { afterAll, beforeAll, expect, test } from "vitest";
import { startWebServer, type WebServer } from "../../../test/collect/web-server.ts";
import { cloneDatabase, type ClonedDatabase } from "../../../test/database.ts";
import { openEngine, type Engine } from "../../../test/engine/engine.ts";
import { openPlatform, type Platform } from "../../../test/engine/platform.ts";
import { makeForm, makePdf, scanned } from "../../../test/processors/pdfs.ts";
import { rightCharacters } from "../../../test/processors/right-characters.ts";
import { sql } from "../../db/sql.ts";
import { pack } from "../advance/pack.ts";
import { FILINGS } from "./filings.ts";

/** A page is read from its picture, which takes seconds where the machine is busy. */
const SLOW_MS = 120_000;

let clone: ClonedDatabase;
let engine: Engine;
let platform: Platform;
let registry: WebServer;
let answers: Record<string, Buffer>;
beforeAll(async () => {
  const [form, scan] = await Promise.all([makeForm({ company: "SMART SYSTEMS LIMITED" }), makeScan()]);
  answers = { "/forms": form, "/scans": scan };
  clone = await cloneDatabase();
  engine = openEngine(clone.database);
  platform = await openPlatform(clone.database, { slots: 1 });
  await platform.worker();
  registry = await startWebServer((request, response) => {
    const content = answers[new URL(request.url ?? "/", "http://registry").pathname];
    if (content) response.writeHead(200, { "content-type": "application/pdf" }).end(content);
    else response.writeHead(404).end();
  });
}, SLOW_MS);
afterAll(async () => {
  await registry.close();
  await platform.close();
  await clone.close();
});

const SCANNED = ["BOARD RESOLUTION", "Company name: SMART SYSTEMS LIMITED", "Resolution number: BR-2019-17", "Votes in favour: 11"];

async function makeScan(): Promise<Buffer> {
  const page = await makePdf(({ text }) => SCANNED.forEach((line, index) => text(line, 56, 760 - index * 28, 12)));
  return (await scanned(page, 200)).pdf;
}

test(
  "documents are fetched, read and written in runs, of which one is under way at a time",
  async () => {
    const tenantId = await engine.tenant();
    const paths = ["/forms?1", "/forms?2", "/scans?3", "/forms?4", "/gone?5", "/forms?6"];
    const files = [];
    for (const [index, path] of paths.entries()) {
      const document = { url: `${registry.url}${path}`, name: `document_${index + 1}.pdf`, document_type: "Annual Report" };
      files.push(await platform.put(tenantId, `${index + 1}.json`, JSON.stringify(document)));
    }
    const jobId = await platform.submit(tenantId, "filings", files);
    expect(await platform.ended(jobId, SLOW_MS)).toBe("failed");

    // An item of the last one has left it, and is dead in a task of its own.
    const runs = await engine.rows(sql`
      SELECT item_from AS "from", items, started_at < lag(finished_at) OVER (ORDER BY item_from) AS overlaps
      FROM tasks WHERE job_id = ${jobId}::uuid AND status = 'succeeded' ORDER BY item_from`);
    expect(runs).toMatchObject([
      { from: 0, items: 2, overlaps: null },
      { from: 2, items: 2, overlaps: false },
      { from: 4, items: 2, overlaps: false },
    ]);
    const made = await platform.outputs(tenantId, jobId);
    expect(made.map(({ step, ordinal, name }) => [step, ordinal, name])).toEqual(
      [1, 2, 3, 4, 6].map((number) => ["text", number - 1, `document_${number}.txt`]),
    );
    expect(made[0]?.text).toMatch(/^SMART SYSTEMS LIMITED\nDocument: document_1\n\n--- Page 1 ---\n\nANNUAL REPORT\n/);
    expect(made[0]?.text).toContain("Company name  SMART SYSTEMS LIMITED");
    const [, scan = ""] = (made[2]?.text ?? "").split("--- Page 1 ---");
    expect(rightCharacters(scan, SCANNED.join("\n"))).toBeGreaterThan(0.95);
    const dead = await engine.rows(sql`SELECT ordinal, status, code FROM item_exceptions WHERE job_id = ${jobId}::uuid`);
    expect(dead).toEqual([{ ordinal: 4, status: "dead", code: "source_missing" }]);
  },
  SLOW_MS,
);

test("a run takes 35 of 100 documents: 3 runs for most companies, 4 for those with 31, 34 and 37", () => {
  const runsOf = (documents: number) => {
    const entries = Array.from({ length: documents }, () => ({ sizeBytes: 200 }));
    return pack(entries, FILINGS.steps["fetched"]?.batch);
  };
  const four = Array.from({ length: 21 }, (_unused, index) => 30 + index).filter((documents) => runsOf(documents).length !== 3);
  expect(four).toEqual([31, 34, 37]);
  for (const documents of four) expect(runsOf(documents)).toHaveLength(4);
  for (let documents = 1; documents <= 100; documents++) {
    const [first] = runsOf(documents);
    expect(first).toHaveLength(Math.max(1, Math.floor(0.35 * documents)));
  }
});
