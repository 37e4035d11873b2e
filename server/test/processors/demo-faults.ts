import { spawn } from "node:child_process";
import { appendFile, readFile } from "node:fs/promises";
import { z } from "zod";
import { BadInput, declareProcessor } from "../../src/processors/processor.ts";
import { DEMO_LIMITS } from "./demo-limits.ts";

/** Inputs whose name holds it get the fault; others pass. "" is all of them. */
const only = z.string().default("");

export const demoFail = declareProcessor({
  name: "demo.fail",
  version: "1",
  title: "Fail",
  description: "Fails for good or, with times and a counter file, so many times. match: fails where the content holds it.",
  kind: "map",
  emits: "one",
  accepts: ["*/*"],
  produces: ["*/*"],
  params: z
    .strictObject({
      class: z.enum(["bad_input", "crashed"]).default("bad_input"),
      code: z.enum(["type_mismatch", "encrypted", "corrupt", "limit_exceeded", "malware"]).default("corrupt"),
      /** Hosts remember nothing: how often it failed is kept as bytes in the file `counter`, one each. */
      times: z.int().min(0).optional(),
      counter: z.string().optional(),
      match: z.string().optional(),
      only,
    })
    .refine((value) => (value.times === undefined) === (value.counter === undefined), "times and counter go together"),
  limits: DEMO_LIMITS,
  example: { class: "bad_input", only: "poison" },
  codec: false,
  async run({ params, inputs, pass }) {
    for (const input of inputs) {
      const matches = params.match === undefined || (await readFile(input.path, "utf8")).includes(params.match);
      if (!input.name.includes(params.only) || !matches || (await usedUp(params))) {
        pass(input);
        continue;
      }
      if (params.class === "bad_input") throw new BadInput(params.code, `"${input.name}" fails as asked.`);
      throw new Error(`"${input.name}" crashes as asked.`);
    }
  },
});

async function usedUp({ times, counter }: { times?: number | undefined; counter?: string | undefined }): Promise<boolean> {
  if (times === undefined || counter === undefined) return false;
  const failed = await readFile(counter).catch(() => Buffer.alloc(0));
  if (failed.length >= times) return true;
  await appendFile(counter, ".");
  return false;
}

export const demoCrash = declareProcessor({
  name: "demo.crash",
  version: "1",
  title: "Crash",
  description: "Ends the process it runs in.",
  kind: "map",
  emits: "one",
  accepts: ["*/*"],
  produces: ["*/*"],
  params: z.strictObject({ signal: z.enum(["SIGSEGV", "exit0", "abort"]).default("SIGSEGV"), only }),
  limits: DEMO_LIMITS,
  example: { signal: "SIGSEGV", only: "poison" },
  codec: false,
  async run({ params, inputs, pass }) {
    for (const input of inputs) {
      if (!input.name.includes(params.only)) {
        pass(input);
      } else if (params.signal === "exit0") {
        process.exit(0);
      } else if (params.signal === "abort") {
        process.abort();
      } else {
        process.kill(process.pid, params.signal);
        await never();
      }
    }
  },
});

export const demoHog = declareProcessor({
  name: "demo.hog",
  version: "1",
  title: "Eat memory",
  description: "Holds so many bytes of memory, all of them touched, then hands its input on.",
  kind: "map",
  emits: "one",
  accepts: ["*/*"],
  produces: ["*/*"],
  params: z.strictObject({
    bytes: z
      .int()
      .min(0)
      .default(2 ** 30),
    only,
  }),
  limits: DEMO_LIMITS,
  example: { bytes: 1_048_576 },
  codec: false,
  async run({ params, inputs, pass }) {
    const held: Buffer[] = [];
    for (const input of inputs) {
      if (input.name.includes(params.only)) {
        for (let bytes = 0; bytes < params.bytes; bytes += CHUNK) held.push(Buffer.alloc(Math.min(CHUNK, params.bytes - bytes), 1));
      }
      pass(input);
    }
    held.length = 0;
  },
});

const CHUNK = 16 * 2 ** 20;

export const demoHang = declareProcessor({
  name: "demo.hang",
  version: "1",
  title: "Hang",
  description: "Never ends and looks at no signal; with spin it blocks the event loop, with fork it leaves a child process behind.",
  kind: "map",
  emits: "one",
  accepts: ["*/*"],
  produces: ["*/*"],
  params: z.strictObject({
    ignore_sigterm: z.boolean().default(false),
    fork: z.boolean().default(false),
    spin: z.boolean().default(false),
    only,
  }),
  limits: DEMO_LIMITS,
  example: { ignore_sigterm: true },
  codec: false,
  async run({ params, inputs, pass }) {
    for (const input of inputs) {
      if (!input.name.includes(params.only)) {
        pass(input);
        continue;
      }
      if (params.ignore_sigterm) process.on("SIGTERM", () => {});
      // In the group of the host: who ends the group ends it as well. The argument lets a test find it.
      if (params.fork) spawn(process.execPath, ["-e", FORKED, `demo.hang:${input.name}`], { stdio: "ignore" });
      while (params.spin);
      await never();
    }
  },
});

const FORKED = 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)';

/** A pending promise alone does not keep a process alive. */
function never(): Promise<never> {
  return new Promise(() => setInterval(() => {}, 60_000));
}
