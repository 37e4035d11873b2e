import { link, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import { planPipeline } from "../jobs/plan-pipeline.ts";
import { loadCatalogue } from "../processors/catalogue.ts";
import { withFetched } from "./fetched-results.ts";

const folder = await mkdtemp(join(tmpdir(), "filemill-fetched-"));
const path = join(folder, "web-0");
/** As long as what was fetched. */
const other = join(folder, "other");
await writeFile(other, "of somebody else");
const catalogue = await loadCatalogue();
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  await rm(path, { force: true });
  await writeFile(path, "what was fetched");
});

const BOTH: PipelineDocument = {
  steps: { fetched: { use: "http.fetch" }, checked: { use: "file.validate", needs: ["fetched"] } },
  outputs: ["fetched", "checked"],
};

function results(document: PipelineDocument) {
  const [stage] = planPipeline(document, {}, catalogue).stages;
  if (!stage) throw new Error("there is no stage");
  const entry = { index: 0, from: "fetched", path, name: "a.txt", sizeBytes: 16, mediaType: "text/plain", isFetched: true } as const;
  const passed = { step: "checked", content: { passedEntry: 0 }, name: "a.txt", mediaType: "text/plain", sizeBytes: 16 };
  return withFetched({ stage, entries: [entry] }, [
    { ok: true, ran: true, outputs: document.outputs?.includes("checked") ? [passed] : [] },
  ]);
}

test("what was fetched is the step's own output, and what a step behind handed on", () => {
  expect(results(BOTH)).toMatchObject([
    {
      ok: true,
      outputs: [
        { step: "fetched", content: { path }, name: "a.txt" },
        { step: "checked", content: { path }, name: "a.txt" },
      ],
    },
  ]);
});

test("where nobody wants it, it is no output", () => {
  const behind = { ...BOTH, steps: { ...BOTH.steps, stats: { use: "text.stats", needs: ["fetched"] } }, outputs: ["stats"] };
  expect(results(behind)).toMatchObject([{ ok: true, outputs: [] }]);
});

test.each<[string, () => Promise<void>]>([
  ["a link to what is not the tenant's", () => rm(path).then(() => symlink("/etc/passwd", path))],
  ["a second name of another file", () => rm(path).then(() => link(other, path))],
  ["more or fewer bytes", () => truncate(path, 3)],
  ["nothing", () => rm(path)],
])("a host that leaves %s in its place has crashed", async (_what, harm) => {
  await harm();
  expect(results(BOTH)).toMatchObject([{ ok: false, step: "fetched", failure: { class: "crashed" } }]);
});
