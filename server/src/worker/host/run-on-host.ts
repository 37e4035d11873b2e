import type { Failure } from "../../errors.ts";
import type { EntryResult, RecordedProfile, StageRun, StageRunStep } from "../../processors/stage-run.ts";
import type { HostExit, HostProcess } from "./host-process.ts";
import { timedOut } from "./failure.ts";
import type { LastCall } from "./last-call.ts";

export interface TaskLimits {
  /** Memory of the host with all its descendants, bytes. */
  readonly memoryBytes: number;
  /** For the whole task; a step's own limit applies to each of its calls besides. */
  readonly wallMs: number;
}

export interface TaskOptions {
  readonly limits: TaskLimits;
  readonly signal: AbortSignal;
  /** Slots that the task takes; 1 unless told. */
  readonly weight?: number;
  /** Called once, when the first call of a step has begun. */
  readonly onBegun?: (() => void) | undefined;
  /** map: called while it runs, with the number of entries that are done, when that has changed. */
  readonly onEntries?: ((done: number) => void) | undefined;
}

/** `entry`: whom to blame when the host died, the entry and step that it was in. */
export type HostOutcome =
  | { readonly type: "done"; readonly results: readonly EntryResult[]; readonly profile?: RecordedProfile | undefined }
  | { readonly type: "died"; readonly failure: Failure; readonly entry?: { readonly index: number; readonly step: string } }
  | { readonly type: "cancelled" };

const WATCH_MS = 100;
/** From "please stop" to SIGKILL. With the watch interval this keeps everything under limit + 2 s. */
const ABORT_GRACE_MS = 1_000;
/** A codec needs a few; more is a fork bomb. */
const MAX_PROCESSES = 64;

/**
 * Runs one task on a host that is ready, and watches it: memory and number of processes, each call's time limit, the
 * whole task's, and the caller's signal. Time limit and signal first ask the host to stop, so that it can stay; a host that does not
 * answer within a second is killed. Resolves when the host is free again or is gone with everything it started.
 */
export async function runOnHost(host: HostProcess, run: StageRun, options: TaskOptions): Promise<HostOutcome> {
  const outcome = Promise.withResolvers<HostOutcome>();
  const started = performance.now();
  let watched = { count: 0, deadline: Infinity };
  let entriesDone = 0;
  let killAt = Infinity;
  /** Decided once: why this task ends before the host says that it is done. */
  let ending: HostOutcome | undefined;

  const current = (): CurrentCall | undefined => callOf(run, host.lastCall());
  const blame = (failure: Failure): HostOutcome => {
    const call = current();
    return { type: "died", failure, ...(call && { entry: { index: call.index, step: call.step.name } }) };
  };
  const stop = (why: HostOutcome): void => {
    if (ending) return;
    ending = why;
    killAt = performance.now() + ABORT_GRACE_MS;
    host.send({ type: "abort" });
  };
  const kill = (why: HostOutcome): void => {
    ending ??= why;
    host.kill();
  };
  const cancel = (): void => stop({ type: "cancelled" });

  host.listen((message) => {
    if (message.type === "begun") options.onBegun?.();
    else if (message.type === "done") outcome.resolve(ending ?? message);
    else if (message.type === "aborted" && ending) outcome.resolve(ending);
  });
  host.onExit((exit) => outcome.resolve(ending ?? blame(failureOf(exit))));

  const watch = setInterval(() => {
    const now = performance.now();
    if (now > killAt) return host.kill();
    const call = current();
    if (call && call.count !== watched.count) watched = { count: call.count, deadline: now + call.step.timeoutMs + ABORT_GRACE_MS };
    // Entries come in their order.
    if (call && call.index > entriesDone && run.kind === "map") options.onEntries?.((entriesDone = call.index));
    // The host itself ends the call at the limit; here it did not, because it hangs or because the processor ignores it.
    if (call && now > watched.deadline) return kill(blame(timedOut(call.step.name, call.step.timeoutMs)));
    if (now > started + options.limits.wallMs) stop(blame(taskTimedOut(options.limits.wallMs)));
    const usage = host.usage();
    if (usage.memoryBytes > options.limits.memoryBytes) kill(blame(tooMuchMemory(options.limits.memoryBytes)));
    else if (usage.processes > MAX_PROCESSES) kill(blame(tooManyProcesses()));
  }, WATCH_MS);
  options.signal.addEventListener("abort", cancel);
  host.forgetLastCall();
  host.send(run);
  if (options.signal.aborted) cancel();
  try {
    return await outcome.promise;
  } finally {
    clearInterval(watch);
    options.signal.removeEventListener("abort", cancel);
    host.listen(undefined);
    host.onExit(undefined);
  }
}

interface CurrentCall {
  readonly count: number;
  readonly index: number;
  readonly step: StageRunStep;
}

/** What the host wrote may be anything: a call that this task does not have is none. */
function callOf(run: StageRun, last: LastCall | undefined): CurrentCall | undefined {
  const step = last && run.steps[last.step];
  return step && last.index < run.entries.length ? { count: last.count, index: last.index, step } : undefined;
}

function failureOf({ code, signal, misuse, lastWords }: HostExit): Failure {
  if (misuse) return { class: "crashed", code: "crashed", message: "The process that ran this step gave an answer that is none." };
  // V8 aborts when its heap is full; it says so, but the signal is the same as for any abort.
  if (/heap out of memory|(?:invalid|process) .* allocation/i.test(lastWords)) return tooMuchMemory(undefined);
  // bwrap and sh hand on a signal as 128 + its number. A SIGKILL that is not ours is the kernel's, for want of memory.
  if (signal === "SIGKILL" || code === 137) return tooMuchMemory(undefined);
  const how = signal ?? (code !== null && code > 128 ? `signal ${code - 128}` : `exit code ${code}`);
  return { class: "crashed", code: "crashed", message: `The process that ran this step ended in the middle of it (${how}).` };
}

function tooMuchMemory(limitBytes: number | undefined): Failure {
  const limit = limitBytes === undefined ? "than there is" : `than its limit of ${Math.round(limitBytes / 1024 ** 2)} MiB`;
  return { class: "resource_exhausted", code: "resource_exhausted", message: `The step took more memory ${limit}.` };
}

function tooManyProcesses(): Failure {
  return { class: "resource_exhausted", code: "resource_exhausted", message: `The step started more than ${MAX_PROCESSES} processes.` };
}

function taskTimedOut(wallMs: number): Failure {
  return { class: "timeout", code: "timeout", message: `The task was not done after its limit of ${wallMs / 1000} s.` };
}
