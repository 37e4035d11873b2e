import { fstatSync } from "node:fs";
import { Socket } from "node:net";
import { Worker } from "node:worker_threads";
import { loadCatalogue } from "../src/processors/catalogue.ts";
import type { StageRun, StageRunDone } from "../src/processors/stage-run.ts";
import { CHANNEL_FD, MAX_RESULT_BYTES, openChannel } from "../src/worker/host/channel.ts";
import { LAST_CALL_FD, tellLastCall } from "../src/worker/host/last-call.ts";
import { HostOptions, type FromHost } from "../src/worker/host/messages.ts";
import { resultsThatFit } from "../src/worker/host/results-that-fit.ts";
import { runStage, type StageEnvironment } from "../src/worker/host/run-stage.ts";

/**
 * The process in which processors run, started by worker/host/pool.ts and by nothing else. It takes one StageRun at a
 * time over its channel and ends when that closes. Anything else that comes over the channel ends it.
 */
const EXIT_MISUSE = 64;

const options = HostOptions.parse(JSON.parse(process.argv[2] ?? "null"));
if (options.warmUp) {
  await loadCatalogue(options.extraModules);
  process.exit(0);
}
if (!fstatSync(CHANNEL_FD, { throwIfNoEntry: false })?.isSocket()) misuse("it was not started by a worker");
// A thread, because an event loop that hangs in a codec never sees that the channel has closed.
if (options.watchdogFor !== undefined) {
  new Worker(new URL("./step-host-watchdog.ts", import.meta.url), { workerData: options.watchdogFor }).unref();
}
const catalogue = await loadCatalogue(options.extraModules);

const lastCall = tellLastCall(LAST_CALL_FD);
let current: AbortController | undefined;
const channel = openChannel<FromHost>(new Socket({ fd: CHANNEL_FD, readable: true, writable: true }), {
  // The worker is trusted; a gather has as many entries as its job.
  maxBytes: Infinity,
  onMessage(message) {
    if (isAbort(message)) current?.abort(new Error("the task was aborted"));
    else if (isStageRun(message) && !current) void take(message);
    else misuse("an unknown message, or a second task, came over the channel");
  },
  onMisuse: misuse,
  onClose: () => process.exit(0),
});
channel.send({ type: "ready" });
// Behind "ready", so that a host is never late for a task because of a library that this task may not need.
setImmediate(() => void preload());

async function take(run: StageRun): Promise<void> {
  const abort = new AbortController();
  current = abort;
  lastCall.restart();
  let hasBegun = false;
  const stage: StageEnvironment = {
    find: (name) => catalogue.get(name),
    started(index, step) {
      lastCall.tell(index, step);
      if (!hasBegun) channel.send({ type: "begun" });
      hasBegun = true;
    },
    signal: abort.signal,
    log: (message, error) => console.error(message, error),
    codecs: options.codecs,
  };
  const answer = await (run.profile ? profiled(run, stage) : runStage(run, stage).then((results) => ({ results }))).then(
    ({ results, ...profile }): FromHost => ({ type: "done", results: resultsThatFit(results, MAX_RESULT_BYTES), ...profile }),
    (error: unknown): FromHost => {
      if (!abort.signal.aborted) throw error;
      return { type: "aborted" };
    },
  );
  current = undefined;
  channel.send(answer);
}

/** The inspector is loaded where somebody asks for a profile. */
async function profiled(run: StageRun, stage: StageEnvironment): Promise<Pick<StageRunDone, "results" | "profile">> {
  const { recordProfile } = await import("../src/worker/host/record-profile.ts");
  const { result: results, profile } = await recordProfile(run.scratch, () => runStage(run, stage));
  return { results, profile };
}

async function preload(): Promise<void> {
  for (const name of options.preload) {
    if (current) return;
    await import(name).catch((error: unknown) => console.error(`"${name}" could not be preloaded.`, error));
  }
}

function isAbort(message: unknown): boolean {
  return typeof message === "object" && message !== null && "type" in message && message.type === "abort";
}

/** The worker is trusted by its host, not the other way round; this tells a task from a mistake. */
function isStageRun(message: unknown): message is StageRun {
  return typeof message === "object" && message !== null && "type" in message && message.type === "run" && "entries" in message;
}

function misuse(reason: string): never {
  console.error(`step host: ${reason}; it ends.`);
  process.exit(EXIT_MISUSE);
}
