import { spawn } from "node:child_process";
import { writeSync } from "node:fs";
import { readFile, symlink, link, writeFile, mkdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { z } from "zod";
import { BadInput, declareProcessor, type InputFile, type Processor, type RunContext } from "../../src/processors/processor.ts";
import { CHANNEL_FD } from "../../src/worker/host/channel.ts";
import { DEMO_LIMITS } from "./demo-limits.ts";

/** Processors that try what a codec taken over by its input would try, and tell how far they came. */
function probe<P>(
  name: string,
  params: z.ZodType<P>,
  run: (context: RunContext<P>) => Promise<void>,
  example: Record<string, unknown> = {},
): Processor {
  // The catalogue holds processors of any parameters; each only ever gets what its own schema has parsed.
  return declareProcessor({
    ...{ name, version: "1", title: name, description: `Probe ${name}.`, kind: "map", emits: "many" },
    ...{ accepts: ["*/*"], produces: ["*/*"], params, limits: { ...DEMO_LIMITS, outputFiles: 5 }, example, codec: false, run },
  } as Processor<P>) as Processor;
}

const none = z.strictObject({});

async function tell(context: RunContext<unknown>, value: unknown): Promise<void> {
  await writeFile(context.output({ name: "told.json", mediaType: "application/json" }), JSON.stringify(value));
}

/** The only input of a map call. */
function only(inputs: RunContext<unknown>["inputs"]): InputFile {
  const [input] = inputs;
  if (input === undefined) throw new Error("a map call has an input");
  return input;
}

const upper = probe("probe.upper", z.strictObject({ suffix: z.string().default("") }), async ({ params, inputs, output }) => {
  const text = await readFile(only(inputs).path, "utf8");
  await writeFile(output({ name: only(inputs).name, mediaType: "text/plain" }), text.toUpperCase() + params.suffix);
});

const look = probe("probe.look", none, (context) =>
  tell(context, { env: process.env, pid: process.pid, argv: process.argv, cwd: process.cwd() }),
);

const read = probe(
  "probe.read",
  z.strictObject({ path: z.string() }),
  async (context) => tell(context, await readFile(context.params.path, "utf8").catch((error: Error) => error.message)),
  { path: "/etc/passwd" },
);

const dial = probe(
  "probe.dial",
  z.strictObject({ port: z.int() }),
  async (context) => {
    const told = await new Promise<string>((resolve) => {
      const socket = connect(context.params.port, "127.0.0.1", () => resolve("connected"));
      socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "error"));
    });
    await tell(context, told);
  },
  { port: 1 },
);

const links = probe(
  "probe.link",
  z.strictObject({ kind: z.enum(["symbolic", "hard", "fifo", "nothing"]) }),
  async ({ params, inputs, output }) => {
    const path = output({ name: "out", mediaType: "text/plain" });
    if (params.kind === "symbolic") await symlink(only(inputs).path, path);
    if (params.kind === "hard") await link(only(inputs).path, path);
    if (params.kind === "fifo") await new Promise((resolve) => spawn("mkfifo", [path]).on("close", resolve));
  },
  { kind: "hard" },
);

/** Says to the worker, past everything that runs in the host, that it has made what it has not. */
const lie = probe(
  "probe.lie",
  z.strictObject({ path: z.string() }),
  async ({ params }) => {
    const output = { step: "s", content: { path: params.path }, name: "x", mediaType: "text/plain", sizeBytes: 6 };
    writeSync(CHANNEL_FD, `${JSON.stringify({ type: "done", results: [{ ok: true, ran: true, outputs: [output] }] })}\n`);
    await new Promise(() => setInterval(() => {}, 60_000));
  },
  { path: "/etc/hostname" },
);

/** Says to the worker, past everything that runs in the host, one thing that never ends. */
const drone = probe("probe.drone", none, async () => {
  const chunk = Buffer.alloc(2 ** 16, "[");
  for (;;) {
    try {
      writeSync(CHANNEL_FD, chunk);
    } catch {
      // EAGAIN: the worker has not read so far yet.
      await setImmediate();
    }
  }
});

/** Names and messages as no honest processor makes them: control characters, half characters, without end. */
const rave = probe("probe.rave", z.strictObject({ fail: z.boolean().default(false) }), async ({ params, output }) => {
  const wild = `a\u0000b\ud83d\u001b[31m\tc${"\ud83d\ude00".repeat(2_000)}`;
  if (params.fail) throw new BadInput("corrupt", wild);
  await writeFile(output({ name: wild, mediaType: `text/\u0000${wild}` }), "wild");
});

/** A child in a session of its own, so that it is in no group of the host's. */
const escape = probe(
  "probe.escape",
  z.strictObject({ mark: z.string() }),
  async ({ params }) => {
    spawn("/bin/sh", ["-c", `trap '' TERM HUP; while :; do sleep 1; done # ${params.mark}`], { detached: true, stdio: "ignore" }).unref();
    process.on("SIGTERM", () => {});
    await new Promise(() => setInterval(() => {}, 60_000));
  },
  { mark: "m" },
);

const litter = probe("probe.litter", none, async ({ inputs, output }) => {
  await writeFile(join(process.env.TMPDIR ?? "", "left-behind"), "x");
  const path = output({ name: "ok", mediaType: "text/plain" });
  await mkdir(`${path}.folder/deep`, { recursive: true });
  await writeFile(path, await readFile(only(inputs).path));
});

const flood = probe(
  "probe.flood",
  z.strictObject({ files: z.int(), bytes: z.int() }),
  async ({ params, output }) => {
    for (let file = 0; file < params.files; file += 1)
      await writeFile(output({ name: "o", mediaType: "text/plain" }), Buffer.alloc(params.bytes));
  },
  { files: 1, bytes: 1 },
);

const heap = probe("probe.heap", none, async () => {
  const held: object[] = [];
  for (;;) held.push({ held: held.length, more: [held.length] });
});

const errno = probe(
  "probe.errno",
  z.strictObject({ code: z.string() }),
  async ({ params }) => {
    throw Object.assign(new Error(`${params.code}: as asked`), { code: params.code });
  },
  { code: "ENOSPC" },
);

export default [upper, look, read, dial, links, lie, drone, rave, escape, litter, flood, heap, errno];
