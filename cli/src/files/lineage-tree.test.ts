import type { LineageAnswer, LineageEdge, LineageFile } from "@filemill/contract/lineage.ts";
import { expect, test } from "vitest";
import { lineageTree } from "./lineage-tree.ts";

const file = (id: string, name: string | null, status: LineageFile["status"] = "stored"): LineageFile => ({
  ...{ id, name, status, size: 1_536, sha256: "00", media_type: "text/plain", origin: "upload", created_at: "2026-11-22T01:02:03.004Z" },
  source:
    name === "in.txt" ? { kind: "urls", location: "https://a.example/in.txt", etag: null, modified_at: null, collected_at: "" } : null,
});
const edge = (inputs: string[], output: string, more: Partial<LineageEdge> = {}): LineageEdge => ({
  ...{ job_id: "job_1", job_deleted: false, pipeline: "set", item: 0, inputs, inputs_total: inputs.length, output },
  steps: [{ step: "s", processor: "text.stats", version: "1", parameters_sha256: "00" }],
  ...{ passed: false, cached: false, reused_from: null },
  ...more,
});
const answer = (files: LineageFile[], edges: LineageEdge[], truncated = false): LineageAnswer => ({
  ...{ file_id: files[0]?.id ?? "", files, edges, truncated },
});

test("draws what a file was made from as a tree, with what is deleted, cached and left out", () => {
  const files = [file("z", "all.zip"), file("a", "a.json", "deleted"), file("b", "b.json"), file("i", "in.txt")];
  const edges = [
    edge(["a", "b"], "z", { inputs_total: 5, steps: [{ step: "all", processor: "archive.zip", version: "2", parameters_sha256: null }] }),
    edge(["i"], "a", { cached: true }),
  ];
  expect(lineageTree(answer(files, edges, true), "up")).toEqual([
    "all.zip  z  1.5 KiB  text/plain  2026-11-22 01:02:03",
    "made from",
    "└─ by archive.zip 2 (job_1, set)",
    "   ├─ a.json  a  1.5 KiB  text/plain  2026-11-22 01:02:03  deleted",
    "   │  └─ by text.stats 1 (job_1, set, cached)",
    "   │     └─ in.txt  i  1.5 KiB  text/plain  2026-11-22 01:02:03  from https://a.example/in.txt",
    "   ├─ b.json  b  1.5 KiB  text/plain  2026-11-22 01:02:03",
    "   └─ … and 3 more",
    "There is more: raise --depth or --limit, or ask about one of the files above.",
  ]);
});

test("draws what was made from it, and the steps that handed it on", () => {
  const files = [file("i", "in.txt"), file("z", null)];
  const edges = [edge(["i"], "i", { passed: true }), edge(["i"], "z", { inputs_total: 3, job_deleted: true, pipeline: null })];
  expect(lineageTree(answer(files, edges), "down")).toEqual([
    "in.txt  i  1.5 KiB  text/plain  2026-11-22 01:02:03  from https://a.example/in.txt",
    "used for",
    "├─ by text.stats 1 (job_1, set, handed on unchanged)",
    "└─ with 2 more, by text.stats 1 (job_1, job deleted)",
    "   └─ z  (forgotten)",
  ]);
});

test("says so where nothing is known", () => {
  expect(lineageTree(answer([file("i", "in.txt")], []), "both").slice(1)).toEqual([
    "made from",
    "└─ nothing that is known: it was sent or collected",
    "used for",
    "└─ nothing",
  ]);
});

test("shows twenty of many, and ends where a history were a circle", () => {
  const inputs = Array.from({ length: 30 }, (_unused, index) => `f${index}`);
  const lines = lineageTree(answer([file("z", "z"), ...inputs.map((id) => file(id, id))], [edge(inputs, "z"), edge(["z"], "f0")]), "up");
  expect(lines.filter((line) => line.includes("by text.stats"))).toHaveLength(2);
  expect(lines.at(-1)).toContain("… and 10 more");
});
