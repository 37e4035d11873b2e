import { z } from "zod";
import { createColumnSums } from "./numbers/column-sums.ts";
import { OutputName } from "./numbers/output-name.ts";
import { declareProcessor } from "./processor.ts";

/** What one node of the tree hands to the next: sums, and over how many files. */
const SUMS = "application/vnd.filemill.sums";

export const numbersMean = declareProcessor({
  name: "numbers.mean",
  version: "1",
  title: "Average numbers",
  description:
    "Averages files of numbers element by element: the n-th number of the result is the mean of the n-th numbers of all files. " +
    "Integers are summed exactly and divided once, at the root of the tree; the result stands on one line, with spaces between.",
  kind: "tree",
  emits: "one",
  accepts: ["text/*", SUMS],
  produces: ["text/plain"],
  params: z.strictObject({ name: OutputName.default("mean.txt").meta({ title: "Name of the result" }) }),
  limits: { memoryBytes: 512 * 2 ** 20, wallMs: 300_000, outputBytes: 2 ** 30, outputFiles: 1 },
  example: { name: "final.txt" },
  codec: false,
  cacheable: { by: "content" },
  async run({ params, inputs, isRoot, signal, output, progress }) {
    const sums = createColumnSums();
    for (const [index, input] of inputs.entries()) {
      if (input.mediaType === SUMS) await sums.addState(input, signal);
      else await sums.add(input, signal);
      progress((index + 1) / (inputs.length + 1));
    }
    if (isRoot) sums.writeMeans(output({ name: params.name, mediaType: "text/plain" }));
    else sums.writeState(output({ name: "sums.txt", mediaType: SUMS }));
  },
});
