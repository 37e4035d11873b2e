import { createReadStream, createWriteStream } from "node:fs";
import { copyFile, writeFile } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { declareProcessor } from "../../src/processors/processor.ts";
import { DEMO_LIMITS } from "./demo-limits.ts";

export const demoNoop = declareProcessor({
  name: "demo.noop",
  version: "1",
  title: "Do nothing",
  description: "Hands its input on.",
  kind: "map",
  emits: "one",
  accepts: ["*/*"],
  produces: ["*/*"],
  params: z.strictObject({}),
  limits: DEMO_LIMITS,
  example: {},
  codec: false,
  async run({ inputs, pass }) {
    for (const input of inputs) pass(input);
  },
});

export const demoSleep = declareProcessor({
  name: "demo.sleep",
  version: "1",
  title: "Wait",
  description: "Waits, then hands its input on; ends early when it is aborted.",
  kind: "map",
  emits: "one",
  accepts: ["*/*"],
  produces: ["*/*"],
  params: z.strictObject({ ms: z.int().min(0).max(3_600_000).default(1_000), only: z.string().default("") }),
  limits: { ...DEMO_LIMITS, wallMs: 3_600_000 },
  example: { ms: 10 },
  codec: false,
  async run({ params, inputs, signal, pass, progress }) {
    for (const input of inputs) {
      if (input.name.includes(params.only)) await delay(params.ms, undefined, { signal });
      progress(1);
      pass(input);
    }
  },
});

export const demoCopy = declareProcessor({
  name: "demo.copy",
  version: "1",
  title: "Copy",
  description: "Makes a new file of the same content.",
  kind: "map",
  emits: "one",
  accepts: ["*/*"],
  produces: ["*/*"],
  params: z.strictObject({}),
  limits: DEMO_LIMITS,
  example: {},
  codec: false,
  async run({ inputs, output }) {
    for (const input of inputs) await copyFile(input.path, output({ name: input.name, mediaType: input.mediaType }));
  },
});

export const demoMany = declareProcessor({
  name: "demo.many",
  version: "1",
  title: "Make many",
  description: "Makes count files, each with its number as text, padded to so many bytes.",
  kind: "map",
  emits: "many",
  accepts: ["*/*"],
  produces: ["text/plain"],
  params: z.strictObject({ count: z.int().min(0).max(10_000).default(3), bytes: z.int().min(0).default(0) }),
  limits: DEMO_LIMITS,
  example: { count: 3 },
  codec: false,
  async run({ params, inputs, output, signal }) {
    for (const input of inputs) {
      for (let number = 0; number < params.count; number++) {
        signal.throwIfAborted();
        await writeFile(output({ name: `${input.name}-${number}.txt`, mediaType: "text/plain" }), `${number}\n`.padEnd(params.bytes, "."));
      }
    }
  },
});

/** Shows the order in which a tree's nodes get their inputs. */
export const demoConcat = declareProcessor({
  name: "demo.concat",
  version: "1",
  title: "Concatenate",
  description: "Joins its inputs in order.",
  kind: "tree",
  emits: "one",
  accepts: ["*/*"],
  produces: ["text/plain"],
  params: z.strictObject({}),
  limits: DEMO_LIMITS,
  example: {},
  codec: false,
  async run({ inputs, output, signal }) {
    async function* joined(): AsyncGenerator<Buffer> {
      for (const input of inputs) yield* createReadStream(input.path);
    }
    await pipeline(joined, createWriteStream(output({ name: "joined.txt", mediaType: "text/plain" })), { signal });
  },
});

export const demoCount = declareProcessor({
  name: "demo.count",
  version: "1",
  title: "Count",
  description: "Counts its inputs and their bytes.",
  kind: "gather",
  emits: "one",
  accepts: ["*/*"],
  produces: ["application/json"],
  params: z.strictObject({}),
  limits: DEMO_LIMITS,
  example: {},
  codec: false,
  async run({ inputs, output }) {
    const bytes = inputs.reduce((sum, input) => sum + input.sizeBytes, 0);
    await writeFile(output({ name: "count.json", mediaType: "application/json" }), JSON.stringify({ inputs: inputs.length, bytes }));
  },
});
