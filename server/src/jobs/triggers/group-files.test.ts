import { describe, expect, test } from "vitest";
import type { Trigger } from "@filemill/contract/pipeline.ts";
import { groupFiles, type ArrivedFile } from "./group-files.ts";

const file = (part: Partial<ArrivedFile> = {}): ArrivedFile => ({
  id: "1",
  name: "in/orders.csv",
  sizeBytes: 1_000,
  mediaType: "text/csv",
  metadata: { shop: "7" },
  origin: "upload",
  depth: 0,
  ...part,
});

const matches = (trigger: Omit<Trigger, "on">, given: Partial<ArrivedFile> = {}) =>
  groupFiles([{ pipeline: "p", triggers: [{ on: "file.stored", ...trigger }] }], [file(given)]).length === 1;

describe("a trigger", () => {
  test.each<[Omit<Trigger, "on">, boolean]>([
    [{}, true],
    [{ media_type: ["text/*"] }, true],
    [{ media_type: ["image/png", "text/csv"] }, true],
    [{ media_type: ["image/*"] }, false],
    [{ name: "**/*.csv" }, true],
    [{ name: "in/*.csv" }, true],
    [{ name: "*.csv" }, false],
    [{ name: "**/*.CSV" }, false],
    [{ metadata: { shop: "7" } }, true],
    [{ metadata: { shop: "8" } }, false],
    [{ metadata: { shop: "7", more: "" } }, false],
    [{ metadata: { constructor: "x" } }, false],
    [{ min_size: "1000B" }, true],
    [{ min_size: "1KiB" }, false],
    [{ max_size: "1000B" }, true],
    [{ max_size: "999B" }, false],
    [{ media_type: ["text/*"], name: "x" }, false],
  ])("with %j takes a file of 1,000 bytes: %s", (trigger, taken) => {
    expect(matches(trigger)).toBe(taken);
  });

  test("takes what jobs made only where it says so, and only so deep", () => {
    const output = (depth: number) => ({ origin: "output" as const, depth });
    expect(matches({}, output(0))).toBe(false);
    expect([0, 1, 2].map((depth) => matches({ outputs: { max_depth: 2 } }, output(depth)))).toEqual([true, true, false]);
    expect(matches({ outputs: { max_depth: 2 } })).toBe(true);
  });
});

test("files go into one job for each pipeline, in the order of their arrival, and no more than it takes", () => {
  const files = ["1", "2", "3", "4", "5"].map((id) => file({ id }));
  const groups = groupFiles(
    [
      { pipeline: "all", triggers: [{ on: "file.stored" }] },
      { pipeline: "pairs", triggers: [{ on: "file.stored", max_files: 2 }] },
    ],
    files,
  );
  expect(groups.map(({ pipeline, files }) => [pipeline, files.map(({ id }) => id).join("")])).toEqual([
    ["all", "12345"],
    ["pairs", "12"],
    ["pairs", "34"],
    ["pairs", "5"],
  ]);
});

test("a file that several triggers of a pipeline match is run over once, by the first of them", () => {
  const triggers: Trigger[] = [
    { on: "file.stored", name: "a*", params: { from: "first" } },
    { on: "file.stored", media_type: ["text/*"], params: { from: "second" } },
  ];
  const groups = groupFiles([{ pipeline: "p", triggers }], [file({ id: "1", name: "b" }), file({ id: "2", name: "a" })]);
  expect(groups.map(({ params, files }) => [params?.["from"], files.map(({ id }) => id)])).toEqual([
    ["first", ["2"]],
    ["second", ["1"]],
  ]);
});

test("a job over files of several depths counts as deep as the deepest", () => {
  const trigger: Trigger = { on: "file.stored", outputs: { max_depth: 5 } };
  const [group] = groupFiles([{ pipeline: "p", triggers: [trigger] }], [file(), file({ id: "2", origin: "output", depth: 3 })]);
  expect(group?.depth).toBe(4);
});
