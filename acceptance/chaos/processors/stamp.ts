import { copyFile, appendFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";

interface Context {
  readonly params: { ms: number; slow: string; slow_ms: number };
  readonly inputs: readonly { path: string; name: string; mediaType: string }[];
  readonly signal: AbortSignal;
  output(file: { name: string; mediaType: string }): string;
}

/**
 * For the fault suite, by FILEMILL_EXTRA_PROCESSORS: its output is the input and behind it a line that no other run
 * writes. So the checker can tell that an output comes from the right input, and a reader that it was replaced by that
 * of another run.
 */
export default {
  name: "chaos.stamp",
  version: "1",
  title: "Stamp",
  description: "Waits, then copies its input and adds a line that is different in each run.",
  kind: "map",
  emits: "one",
  accepts: ["*/*"],
  produces: ["*/*"],
  params: z.strictObject({
    ms: z.int().min(0).default(0),
    /** Inputs whose name holds this wait for slow_ms instead. */
    slow: z.string().default("slow"),
    slow_ms: z.int().min(0).default(0),
  }),
  limits: { memoryBytes: 512 * 2 ** 20, wallMs: 600_000, outputBytes: 2 ** 30, outputFiles: 1 },
  example: { ms: 10 },
  codec: false,
  async run({ params, inputs, signal, output }: Context): Promise<void> {
    for (const input of inputs) {
      await delay(input.name.includes(params.slow) ? params.slow_ms : params.ms, undefined, { signal });
      const path = output({ name: `${input.name}.stamped`, mediaType: input.mediaType });
      await copyFile(input.path, path);
      await appendFile(path, `\n${randomUUID()}`);
    }
  },
};
