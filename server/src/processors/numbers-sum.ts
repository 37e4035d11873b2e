import { z } from "zod";
import { createColumnSums } from "./numbers/column-sums.ts";
import { declareProcessor } from "./processor.ts";

export const numbersSum = declareProcessor({
  name: "numbers.sum",
  version: "1",
  title: "Sum numbers",
  description:
    "Adds up files of numbers element by element: the n-th number of the result is the sum of the n-th numbers of all files. " +
    "Numbers stand one a line or between spaces; sums of integers are exact whatever their size, sums of decimals are compensated.",
  kind: "tree",
  emits: "one",
  accepts: ["text/*"],
  produces: ["text/plain"],
  params: z.strictObject({}),
  limits: { memoryBytes: 512 * 2 ** 20, wallMs: 300_000, outputBytes: 2 ** 30, outputFiles: 1 },
  example: {},
  codec: false,
  cacheable: { by: "content" },
  async run({ inputs, signal, output, progress }) {
    const sums = createColumnSums();
    for (const [index, input] of inputs.entries()) {
      await sums.add(input, signal);
      progress((index + 1) / (inputs.length + 1));
    }
    sums.write(output({ name: "sum.txt", mediaType: "text/plain" }));
  },
});
