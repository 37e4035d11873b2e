import type { Failure } from "../../errors.ts";
import type { ClaimedTask, Entry, NewTask, TaskError } from "../../queue/task.ts";
import type { StagePlan } from "../plan.ts";
import type { EntryOutcome, FinishedTask, OutputOutcome } from "./outcome.ts";

/** What becomes of one finished task and each of its entries. */
export interface Decision {
  readonly task: ClaimedTask;
  /** What becomes of the task's own row. */
  readonly self: Self;
  /** Entries that went through, with what they emitted; for a reduce one without an entry. */
  readonly succeeded: readonly { readonly entry: Entry | undefined; readonly outputs: readonly OutputOutcome[] }[];
  /** Entries that ended without success, where the task's own row holds them. */
  readonly ended: readonly { readonly entry: Entry; readonly status: "dead" | "skipped"; readonly error: TaskError }[];
  /** Entries that leave the task: tried again alone, dead alone, or the other half of a split batch. */
  readonly moved: readonly NewTask[];
}

export type Self =
  | { readonly type: "succeeded" }
  | { readonly type: "dead"; readonly error: TaskError }
  | { readonly type: "backing_off"; readonly error: TaskError }
  | { readonly type: "shrunk"; readonly keep: readonly Entry[] };

/**
 * An entry that fails leaves its batch and is tried again in a task of its own, or ends in one, so that the others are
 * not held up and a dead item is always one dead task that can be looked at and redriven. A batch whose host died gives
 * up the entry that was being worked on; where nobody knows which that was, it is cut in half, until the poison is alone.
 */
export function decide({ task, plan, outcome }: FinishedTask): Decision {
  const stage = plan.stages[task.stage];
  if (!stage) throw new RangeError(`task ${task.id} belongs to stage ${task.stage}, which its plan does not have`);
  if (outcome.type === "done") {
    return task.kind === "map" ? decideMap(task, stage, outcome.results) : decideReduce(task, outcome.results[0]);
  }
  const failed: EntryOutcome = { ok: false, failure: outcome.failure, step: outcome.step ?? stage.steps[0]?.name ?? "" };
  if (task.kind !== "map") return decideReduce(task, failed);
  if (task.entries.length === 1) return decideMap(task, stage, [failed]);
  return outcome.culprit === undefined ? halve(task) : isolate(task, stage, outcome.culprit, failed);
}

function decideReduce(task: ClaimedTask, result: EntryOutcome | undefined): Decision {
  if (!result) throw new RangeError(`the reduce ${task.id} came back without a result`);
  const nothing = { task, succeeded: [], ended: [], moved: [] };
  if (result.ok) return { ...nothing, self: { type: "succeeded" }, succeeded: [{ entry: undefined, outputs: result.outputs }] };
  const error = taskError(result.failure, result.step);
  return { ...nothing, self: { type: isFinal(task, result.failure) ? "dead" : "backing_off", error } };
}

function decideMap(task: ClaimedTask, stage: StagePlan, results: readonly EntryOutcome[]): Decision {
  const succeeded: { entry: Entry; outputs: readonly OutputOutcome[] }[] = [];
  const ended: { entry: Entry; status: "dead" | "skipped"; error: TaskError }[] = [];
  const moved: NewTask[] = [];
  let self: Self = { type: "succeeded" };
  task.entries.forEach((entry, index) => {
    const result = results[index];
    if (!result) throw new RangeError(`task ${task.id} came back without a result for entry ${index}`);
    if (result.ok) {
      succeeded.push({ entry, outputs: result.outputs });
      return;
    }
    const error = taskError(result.failure, result.step);
    const final = isFinal(task, result.failure);
    if (final && onError(stage, result.step) === "skip") ended.push({ entry, status: "skipped", error });
    else if (task.entries.length > 1) moved.push(alone(task, entry, error, final));
    else {
      self = { type: final ? "dead" : "backing_off", error };
      if (final) ended.push({ entry, status: "dead", error });
    }
  });
  return { task, self, succeeded, ended, moved };
}

function isolate(task: ClaimedTask, stage: StagePlan, culprit: number, failed: EntryOutcome & { ok: false }): Decision {
  const entry = task.entries[culprit];
  if (!entry) return halve(task);
  const error = taskError(failed.failure, failed.step);
  const final = isFinal(task, failed.failure);
  const skipped = final && onError(stage, failed.step) === "skip";
  return {
    task,
    self: { type: "shrunk", keep: task.entries.filter((other) => other !== entry) },
    succeeded: [],
    ended: skipped ? [{ entry, status: "skipped", error }] : [],
    moved: skipped ? [] : [alone(task, entry, error, final)],
  };
}

function halve(task: ClaimedTask): Decision {
  const middle = Math.ceil(task.entries.length / 2);
  const rest = task.entries.slice(middle);
  return {
    task,
    self: { type: "shrunk", keep: task.entries.slice(0, middle) },
    succeeded: [],
    ended: [],
    moved: [{ ...sibling(task), entries: rest }],
  };
}

function alone(task: ClaimedTask, entry: Entry, error: TaskError, dead: boolean): NewTask {
  return { ...sibling(task), entries: [entry], state: { type: dead ? "dead" : "backing_off", attempts: task.attempts + 1, error } };
}

function sibling(task: ClaimedTask): Omit<NewTask, "entries"> {
  const { tenantId, jobId, stage, kind, lane, priority, maxAttempts, weight } = task;
  return { tenantId, jobId, stage, kind, lane, priority, maxAttempts, weight };
}

/** bad_input fails the same way again; a task lost too often only comes here to die; the others have attempts. */
function isFinal(task: ClaimedTask, failure: Failure): boolean {
  return failure.class === "bad_input" || failure.class === "lost" || task.attempts + 1 >= task.maxAttempts;
}

function onError(stage: StagePlan, step: string): "fail" | "skip" {
  return stage.steps.find((candidate) => candidate.name === step)?.onError ?? "fail";
}

function taskError(failure: Failure, step: string): TaskError {
  // Listing and collecting are no step of the pipeline.
  return { class: failure.class, code: failure.code, step: step === "" ? null : step, message: failure.message };
}
