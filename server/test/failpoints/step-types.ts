import type { PipelineDocument } from "@filemill/contract/pipeline.ts";

/** One way in which the engine and the hosts run a step; each ends in outputs of known bytes. */
export interface StepType {
  readonly name: string;
  readonly inputs: readonly string[];
  /** Do all its new files go to the object store, or into rows? */
  readonly large: boolean;
  pipeline(lane: string): PipelineDocument;
  /** What the outputs must be, in order; undefined where only equality with a run without faults is demanded. */
  readonly outputs?: readonly string[];
}

const LINES = 3_000;

/** More than a row holds (16 KiB) of lines that no two files share. */
function lines(file: number): string {
  return Array.from({ length: LINES }, (_unused, line) => `${file * 1_000_000 + line}\n`).join("");
}

const SMALL = ["one\n", "two\n", "three\n"];
const LARGE = [lines(1), lines(2), lines(3)];
const SUM = Array.from({ length: LINES }, (_unused, line) => `${6 * 1_000_000 + 3 * line}\n`).join("");
const TABLE = `n\n${lines(1)}`;

export const STEP_TYPES: readonly StepType[] = [
  {
    name: "a map into rows",
    inputs: SMALL,
    large: false,
    pipeline: (lane) => ({ steps: { copy: { use: "demo.copy", lane } } }),
    outputs: SMALL,
  },
  {
    name: "a map into the store",
    inputs: LARGE,
    large: true,
    pipeline: (lane) => ({ steps: { copy: { use: "demo.copy", lane } } }),
    outputs: LARGE,
  },
  {
    name: "a fan-out",
    inputs: ["parent"],
    large: true,
    pipeline: (lane) => ({
      steps: {
        many: { use: "demo.many", lane, with: { count: 3, bytes: 20_000 } },
        each: { use: "demo.copy", needs: ["many"], lane },
      },
      outputs: ["each"],
    }),
    outputs: [0, 1, 2].map((number) => `${number}\n`.padEnd(20_000, ".")),
  },
  {
    name: "a reduction tree",
    inputs: LARGE,
    large: true,
    pipeline: (lane) => ({ steps: { sum: { use: "numbers.sum", fan_in: 2, lane } } }),
    outputs: [SUM],
  },
  {
    name: "a gather",
    // Of a type that zip stores as it is, so that the zip is large.
    inputs: LARGE,
    large: true,
    pipeline: (lane) => ({ steps: { all: { use: "archive.zip", lane } } }),
  },
  {
    name: "a native table query",
    inputs: [TABLE],
    large: true,
    pipeline: (lane) => ({
      steps: { query: { use: "table.query", lane, with: { sql: "SELECT n FROM input ORDER BY n", format: "csv" } } },
    }),
    outputs: [TABLE],
  },
];
