import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { EXTRA_MODULES, step } from "../../../test/hosts.ts";
import { loadCatalogue, type Catalogue } from "../../processors/catalogue.ts";
import type { EntryResult, StageRun, StageRunStep } from "../../processors/stage-run.ts";
import { runStage } from "./run-stage.ts";

let catalogue: Catalogue;
beforeAll(async () => {
  catalogue = await loadCatalogue(EXTRA_MODULES);
});

interface Ran {
  readonly results: readonly EntryResult[];
  /** One list an entry, `<step>: <content>`. */
  readonly kept: readonly (readonly string[])[];
  readonly started: readonly string[];
  /** Files in scratch afterwards, inputs left out. */
  readonly left: number;
}

async function ran(
  steps: readonly StageRunStep[],
  entries: readonly { content: string; mediaType?: string; from?: string }[],
  { kind = "map", signal = new AbortController().signal }: { kind?: StageRun["kind"]; signal?: AbortSignal } = {},
): Promise<Ran> {
  const scratch = await mkdtemp(join(tmpdir(), "filemill-stage-"));
  const started: string[] = [];
  try {
    const files = await Promise.all(
      entries.map(async ({ content, mediaType = "text/plain", from = "" }, index) => {
        const path = join(scratch, `input-${index}`);
        await writeFile(path, content);
        return { from, path, name: `${content}.txt`, sizeBytes: content.length, mediaType };
      }),
    );
    const results = await runStage(
      { type: "run", kind, steps, entries: files, scratch },
      {
        find: (name) => catalogue.get(name),
        started: (index, place) => started.push(`${index} ${steps[place]?.name}`),
        signal,
        log: () => {},
        codecs: true,
      },
    );
    const kept = results.map((result) =>
      Promise.all(
        (result.ok ? result.outputs : []).map(async ({ step: name, content }) =>
          "path" in content ? `${name}: ${await readFile(content.path, "utf8")}` : `${name}: entry ${content.passedEntry}`,
        ),
      ),
    );
    return { results, kept: await Promise.all(kept), started, left: (await readdir(scratch)).length - entries.length };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

const upper = (name: string, needs: string[], more: Partial<StageRunStep> = {}): StageRunStep => {
  return step("probe.upper", { name, needs, keep: false, with: { suffix: `+${name}` }, ...more });
};

test("a chain hands each file on, and deletes what nobody needs any more", async () => {
  const steps = [upper("a", [""]), upper("b", ["a"]), upper("c", ["b"], { keep: true })];
  const { kept, left, started } = await ran(steps, [{ content: "x" }, { content: "y" }]);
  expect(kept).toEqual([["c: X+A+B+c"], ["c: Y+A+B+c"]]);
  expect(left).toBe(2);
  expect(started).toEqual(["0 a", "0 b", "0 c", "1 a", "1 b", "1 c"]);
});

test("branches share what they both need, and a step with two needs runs once for each file", async () => {
  const steps = [upper("a", [""]), upper("l", ["a"]), upper("r", ["a"]), upper("end", ["l", "r", ""], { keep: true })];
  const { kept, left } = await ran(steps, [{ content: "x" }]);
  expect(kept).toEqual([["end: X+A+L+end", "end: X+A+R+end", "end: X+end"]]);
  expect(left).toBe(3);
});

test("a file goes to the steps that need where it came from", async () => {
  const steps = [upper("a", ["earlier"], { keep: true }), upper("b", [""], { keep: true })];
  const { kept } = await ran(steps, [{ content: "x", from: "earlier" }, { content: "y" }]);
  expect(kept).toEqual([["a: X+a"], ["b: Y+b"]]);
});

test("files that `when` does not take pass a step by, and an entry that no step took says so", async () => {
  const when = { media_type: ["image/*"] };
  const steps = [upper("a", [""], { when, keep: true })];
  const { results } = await ran(steps, [{ content: "x" }, { content: "y", mediaType: "image/png" }]);
  expect(results).toMatchObject([
    { ok: true, ran: false, outputs: [] },
    { ok: true, ran: true, outputs: [{ mediaType: "text/plain" }] },
  ]);
});

test("a fan-out gives its files in the order in which they were named", async () => {
  const { kept } = await ran([step("demo.many", { name: "many", with: { count: 3 } })], [{ content: "x" }]);
  expect(kept).toEqual([["many: 0\n", "many: 1\n", "many: 2\n"]]);
});

test("a file that later steps hand on stays as long as they do, and an input is never deleted", async () => {
  const pass = (name: string, needs: string[], keep: boolean): StageRunStep => step("demo.noop", { name, needs, keep });
  const steps = [upper("a", [""]), pass("b", ["a"], false), pass("c", ["b", ""], true)];
  const { kept, left } = await ran(steps, [{ content: "x" }]);
  expect(kept).toEqual([["c: X+a", "c: entry 0"]]);
  expect(left).toBe(1);
});

test("gather and tree are one call over all entries", async () => {
  const entries = [{ content: "x" }, { content: "yy" }];
  expect((await ran([step("demo.count")], entries, { kind: "gather" })).kept).toEqual([['s: {"inputs":2,"bytes":3}']]);
  expect((await ran([step("demo.concat")], entries, { kind: "tree" })).kept).toEqual([["s: xyy"]]);
});

test("an entry that fails leaves nothing behind and does not touch the others", async () => {
  const steps = [upper("a", [""], { keep: true }), step("demo.fail", { name: "f", needs: ["a"], with: { only: "poison" } })];
  const { results, left } = await ran(steps, [{ content: "x" }, { content: "poison" }, { content: "y" }]);
  expect(results.map((result) => result.ok)).toEqual([true, false, true]);
  expect(results[1]).toEqual({
    ok: false,
    step: "f",
    failure: { class: "bad_input", code: "corrupt", message: '"poison.txt" fails as asked.' },
  });
  expect(left).toBe(2);
});

test.each([
  ["the wrong type", [step("image.metadata")], { class: "bad_input", code: "type_mismatch" }],
  ["parameters that are not valid", [step("demo.many", { with: { count: -1 } })], { class: "bad_input" }],
  ["an unknown processor", [step("no.such")], { class: "crashed" }],
  ["too many files", [step("probe.flood", { with: { files: 6, bytes: 1 } })], { class: "bad_input", code: "limit_exceeded" }],
  [
    "too many bytes",
    [step("probe.flood", { with: { files: 2, bytes: 600 }, outputBytes: 1_000 })],
    { class: "bad_input", code: "limit_exceeded" },
  ],
  ["a full scratch disk", [step("probe.errno", { with: { code: "ENOSPC" } })], { class: "infrastructure" }],
  ["a file over the kernel's limit", [step("probe.errno", { with: { code: "EFBIG" } })], { class: "bad_input", code: "limit_exceeded" }],
  ["no memory left", [step("probe.errno", { with: { code: "ENOMEM" } })], { class: "resource_exhausted" }],
  ["any other error", [step("probe.errno", { with: { code: "EBADF" } })], { class: "crashed", code: "crashed" }],
  ["the time limit", [step("demo.sleep", { with: { ms: 60_000 }, timeoutMs: 60 })], { class: "timeout", code: "timeout" }],
])("%s is told apart", async (_, steps, failure) => {
  const { results, left } = await ran(steps, [{ content: "x" }]);
  expect(results).toMatchObject([{ ok: false, failure }]);
  expect(left).toBe(0);
});

test("a full scratch disk is the task's own doing where it has written more than its steps may, also for earlier entries", async () => {
  const full = step("probe.errno", { name: "full", with: { code: "ENOSPC" }, when: { media_type: ["image/*"] }, outputBytes: 0 });
  const steps = [upper("a", [""], { keep: true, outputBytes: 6 }), full];
  const text = { content: "x" };
  const image = { content: "y", mediaType: "image/png" };
  const failures = (await ran(steps, [text, text, text, image])).results.filter((result) => !result.ok);
  expect(failures).toMatchObject([{ step: "full", failure: { class: "resource_exhausted", code: "resource_exhausted" } }]);
  expect((await ran(steps, [text, image])).results[1]).toMatchObject({ failure: { class: "infrastructure" } });
});

test("a limit of as many files and bytes as there are is kept", async () => {
  const { results } = await ran([step("probe.flood", { with: { files: 5, bytes: 200 }, outputBytes: 1_000 })], [{ content: "x" }]);
  expect(results).toMatchObject([{ ok: true }]);
});

test("cancelling ends the stage with the signal's reason", async () => {
  const reason = new Error("cancelled");
  const abort = AbortSignal.abort(reason);
  await expect(ran([upper("a", [""])], [{ content: "x" }], { signal: abort })).rejects.toBe(reason);
});
