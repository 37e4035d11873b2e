import { Worker } from "node:worker_threads";
import { loadCatalogue } from "../src/processors/catalogue.ts";
import type { StageRun } from "../src/processors/stage-run.ts";
import { LAST_CALL_FD, tellLastCall } from "../src/worker/host/last-call.ts";
import { HostOptions, type FromHost } from "../src/worker/host/messages.ts";
import { runStage } from "../src/worker/host/run-stage.ts";

/**
 * The process in which processors run, started by worker/host/pool.ts and by nothing else. It takes one StageRun at a
 * time over the IPC channel and ends when the channel closes. Anything else that comes over the channel ends it.
 */
const EXIT_MISUSE = 64;

const options = HostOptions.parse(JSON.parse(process.argv[2] ?? "null"));
if (options.warmUp) {
  await loadCatalogue(options.extraModules);
  process.exit(0);
}
if (!process.send) misuse("it was not started by a worker");
// A thread, because an event loop that hangs in a codec never sees that the channel has closed.
if (options.watchdogFor !== undefined) {
  new Worker(new URL("./step-host-watchdog.ts", import.meta.url), { workerData: options.watchdogFor }).unref();
}
process.on("disconnect", () => process.exit(0));
const catalogue = await loadCatalogue(options.extraModules);

const lastCall = tellLastCall(LAST_CALL_FD);
let current: AbortController | undefined;
process.on("message", (message) => {
  if (isAbort(message)) current?.abort(new Error("the task was aborted"));
  else if (isStageRun(message) && !current) void take(message);
  else misuse("an unknown message, or a second task, came over the channel");
});
send({ type: "ready" });
// Behind "ready", so that a host is never late for a task because of a library that this task may not need.
setImmediate(() => void preload());

async function take(run: StageRun): Promise<void> {
  const abort = new AbortController();
  current = abort;
  lastCall.restart();
  let hasBegun = false;
  const answer = await runStage(run, {
    find: (name) => catalogue.get(name),
    started(index, step) {
      lastCall.tell(index, step);
      if (!hasBegun) send({ type: "begun" });
      hasBegun = true;
    },
    signal: abort.signal,
    log: (message, error) => console.error(message, error),
    codecs: options.codecs,
  }).then(
    (results): FromHost => ({ type: "done", results }),
    (error: unknown): FromHost => {
      if (!abort.signal.aborted) throw error;
      return { type: "aborted" };
    },
  );
  current = undefined;
  send(answer);
}

async function preload(): Promise<void> {
  for (const name of options.preload) {
    if (current) return;
    await import(name).catch((error: unknown) => console.error(`"${name}" could not be preloaded.`, error));
  }
}

function send(message: FromHost): void {
  if (process.connected) process.send?.(message);
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
