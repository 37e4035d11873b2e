import { readFile } from "node:fs/promises";
import { z } from "zod";
import { randomIntegers } from "./numbers/random-integers.ts";
import { writeIntegers } from "./numbers/write-integers.ts";
import { BadInput, declareProcessor, type InputFile } from "./processor.ts";

const SAFE = z.int().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER);
/** A generated input has some 40 bytes. */
const MAX_INPUT_BYTES = 4_096;

const Params = z
  .strictObject({
    count: z.int().min(1).max(10_000_000).meta({ title: "Numbers in each file" }),
    min: SAFE.default(1).meta({ title: "Smallest number" }),
    max: SAFE.default(100).meta({ title: "Largest number" }),
    seed: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .default(0)
      .meta({ title: "Seed", description: "The same seed gives the same files." }),
  })
  .refine(({ min, max }) => min <= max, { path: ["max"], message: "must not be below min" })
  .refine(({ min, max }) => max - min < Number.MAX_SAFE_INTEGER, {
    path: ["max"],
    message: "is too far above min: 2^53 − 1 numbers at most",
  });

const Input = z.object({ ordinal: z.int().min(0) });

export const numbersGenerate = declareProcessor({
  name: "numbers.generate",
  version: "1",
  title: "Generate numbers",
  description:
    "Makes a file of random integers, on one line with spaces between, for each generated input of a job. Seed and ordinal of the " +
    "input decide the numbers; all from min to max are equally likely.",
  kind: "map",
  emits: "one",
  accepts: ["application/json"],
  produces: ["text/plain"],
  params: Params,
  limits: { memoryBytes: 512 * 2 ** 20, wallMs: 60_000, outputBytes: 2 ** 28, outputFiles: 1 },
  example: { count: 1_000, min: 1, max: 100, seed: 42 },
  codec: false,
  cacheable: { by: "content" },
  async run({ params, inputs, signal, output }) {
    const { count, min, max, seed } = params;
    for (const input of inputs) {
      const ordinal = await ordinalOf(input);
      const random = randomIntegers(seed, ordinal);
      const path = output({ name: `numbers-${ordinal}.txt`, mediaType: "text/plain" });
      await writeIntegers(path, { count, min, fill: (into) => random.draw(into, max - min + 1) }, signal);
    }
  },
});

async function ordinalOf(input: InputFile): Promise<number> {
  const parsed = input.sizeBytes > MAX_INPUT_BYTES ? undefined : Input.safeParse(parseJson(await readFile(input.path, "utf8")));
  if (parsed?.success) return parsed.data.ordinal;
  throw new BadInput(
    "type_mismatch",
    `"${input.name}" is no generated input: a JSON object with an ordinal. Submit the job with the source {"kind":"generate","count":…}.`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
