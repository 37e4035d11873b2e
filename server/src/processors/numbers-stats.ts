import { z } from "zod";
import { accumulated, createAccumulator, type Accumulator, type Sketches } from "./numbers/accumulator.ts";
import type { NumberSink } from "./numbers/number-scanner.ts";
import { readNumbers } from "./numbers/read-numbers.ts";
import { readStats, writeStats } from "./numbers/stats-file.ts";
import { MEASURES, writeReport } from "./numbers/stats-result.ts";
import { OutputName } from "./numbers/output-name.ts";
import { BadInput, declareProcessor, type InputFile } from "./processor.ts";

/** What one node of the tree hands to the next. */
const STATE = "application/vnd.filemill.stats";
/** By position: an accumulator has some 300 bytes, and 6 KiB and more where it sketches. */
const MAX_POSITIONS = 200_000;
const MAX_SKETCHES = 5_000;

const Params = z.strictObject({
  by: z.enum(["all", "position"]).default("all").meta({
    title: "Over",
    description: "all: one row over all numbers of all files. position: one row for the n-th numbers of all files, for each n.",
  }),
  measures: z
    .array(z.enum(MEASURES))
    .min(1)
    .default(["count", "sum", "mean", "min", "max", "variance", "stddev"])
    .meta({ title: "Measures", description: "variance and stddev are those of a sample, over count − 1." }),
  quantiles: z
    .array(z.number().min(0).max(1))
    .min(1)
    .max(100)
    .default([0.5, 0.9, 0.99])
    .meta({ title: "Quantiles", description: "Told where the measures name quantiles." }),
  accuracy: z
    .number()
    .min(0.001)
    .max(0.1)
    .default(0.01)
    .meta({ title: "Accuracy of quantiles", description: "A quantile is off by at most this part of itself." }),
  name: OutputName.default("stats.json").meta({ title: "Name of the result" }),
});

type Params = z.infer<typeof Params>;

export const numbersStats = declareProcessor({
  name: "numbers.stats",
  version: "1",
  title: "Statistics of numbers",
  description:
    "Count, sum, mean, extremes, variance and quantiles of all numbers in files of numbers, or of the n-th numbers of all files. " +
    "Exact for integers, compensated for decimals; quantiles come from a mergeable sketch (DDSketch) and are as accurate as asked for.",
  kind: "tree",
  emits: "one",
  accepts: ["text/*", STATE],
  produces: ["application/json"],
  params: Params,
  limits: { memoryBytes: 1_024 * 2 ** 20, wallMs: 300_000, outputBytes: 2 ** 30, outputFiles: 1 },
  example: { by: "all", measures: ["count", "mean", "quantiles"], quantiles: [0.5, 0.99] },
  codec: false,
  cacheable: { by: "content" },
  async run({ params, inputs, isRoot, signal, output, progress }) {
    const sketches = params.measures.includes("quantiles") ? (await import("@datadog/sketches-js")).DDSketch : undefined;
    const table = createTable(params, sketches);
    for (const [index, input] of inputs.entries()) {
      await table.add(input, signal);
      progress((index + 1) / (inputs.length + 1));
    }
    const { files, rows } = table;
    const states = rows.map((row) => () => row.state());
    if (!isRoot) return writeStats(output({ name: "stats.state", mediaType: STATE }), files(), states);
    const results = states.map((state) => accumulated(state(), { sketches, quantiles: params.quantiles }));
    writeReport(output({ name: params.name, mediaType: "application/json" }), { ...params, files: files(), results });
  },
});

interface Table {
  readonly rows: readonly Accumulator[];
  files(): number;
  add(input: InputFile, signal: AbortSignal): Promise<void>;
}

function createTable({ by, accuracy }: Params, sketches: Sketches | undefined): Table {
  const rows: Accumulator[] = [];
  const most = sketches ? MAX_SKETCHES : MAX_POSITIONS;
  let files = 0;
  let positions: number | undefined;

  function rowAt(index: number, name: string): Accumulator {
    const known = rows[index];
    if (known) return known;
    if (index >= most) throw tooMany(name, most);
    const row = createAccumulator({ sketches, accuracy });
    rows.push(row);
    return row;
  }

  async function addNumbers(input: InputFile, signal: AbortSignal): Promise<void> {
    let count = 0;
    const next = () => rowAt(by === "all" ? 0 : count++, input.name);
    const sink: NumberSink = {
      small(values, many) {
        for (let place = 0; place < many; place++) next().small(values[place] ?? 0);
        if (by === "all") count += many;
      },
      large(value) {
        next().large(value);
        if (by === "all") count++;
      },
      decimal(value) {
        next().decimal(value);
        if (by === "all") count++;
      },
    };
    await readNumbers(input, sink, { signal });
    if (count === 0) throw new BadInput("corrupt", `"${input.name}" holds no numbers.`);
    if (by === "position") requireSame(input, count);
    files += 1;
  }

  async function addStates(input: InputFile, signal: AbortSignal): Promise<void> {
    const given = await readStats(input, signal);
    let count = 0;
    for await (const state of given.states) rowAt(count++, input.name).merge(state);
    if (by === "position") requireSame(input, count);
    files += given.files;
  }

  function requireSame({ name }: InputFile, count: number): void {
    positions ??= count;
    if (count === positions) return;
    const message = `"${name}" holds ${count} numbers where the files before it hold ${positions}; all must hold equally many.`;
    throw new BadInput("type_mismatch", message);
  }

  return {
    rows,
    files: () => files,
    add: (input, signal) => (input.mediaType === STATE ? addStates(input, signal) : addNumbers(input, signal)),
  };
}

function tooMany(name: string, most: number): BadInput {
  return new BadInput("limit_exceeded", `"${name}" holds more than ${most} numbers, the most that can be told apart by position.`);
}
