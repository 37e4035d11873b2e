import { lstatSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import type { Failure } from "../../errors.ts";
import { acceptsMediaType, type Processor } from "../../processors/processor.ts";
import type { EntryResult, KeptOutput, StageRun, StageRunStep } from "../../processors/stage-run.ts";
import { callProcessor, type StageFile } from "./call-processor.ts";
import { CallTimeout, openCallWatch, type CallWatch } from "./call-watch.ts";
import { cleanMediaType, cleanName } from "./clean-text.ts";
import { timedOut, toFailure } from "./failure.ts";

export interface StageEnvironment {
  readonly find: (name: string) => Processor | undefined;
  /** Called before each call of a step, with the step's position; when it returns, the process may die and it is known. */
  readonly started: (index: number, step: number) => void;
  /** Cancels the task; entries that were not done get no result. */
  readonly signal: AbortSignal;
  /** For operators: stacks go here, never to users. */
  readonly log: (message: string, error: unknown) => void;
  /** False where native codecs may not run because the sandbox they need is absent. */
  readonly codecs: boolean;
}

/**
 * Runs all steps of a stage. map: for each entry by itself, in order; an entry that fails does not touch the others.
 * tree and gather: one call over all entries.
 *
 * Within a map entry a step runs once for each file that it receives: the entry's own file where `needs` names where the
 * entry came from, and the outputs of the needed steps. A file that `when` does not take passes the step by. A file
 * that no later step needs and that is not kept is deleted at once, so that a long chain over a large file needs room for
 * two copies, not for all.
 *
 * Never throws for what a processor does; throws only the reason of `signal`.
 */
export async function runStage(run: StageRun, environment: StageEnvironment): Promise<readonly EntryResult[]> {
  const watch = openCallWatch(environment.signal);
  try {
    const stage = prepare(run, environment, watch);
    if (run.kind !== "map") return [await runEntry(stage, undefined)];
    const results: EntryResult[] = [];
    for (const index of run.entries.keys()) results.push(await runEntry(stage, index));
    return results;
  } finally {
    watch.close();
  }
}

interface Stage {
  readonly run: StageRun;
  readonly environment: StageEnvironment;
  readonly watch: CallWatch;
  readonly steps: readonly PreparedStep[];
  readonly newPath: () => string;
}

interface PreparedStep {
  readonly step: StageRunStep;
  readonly ready: { readonly processor: Processor; readonly params: unknown } | { readonly failure: Failure };
  /** Steps before and including this one whose files nobody needs after it. */
  readonly ends: readonly string[];
}

/** Parameters are parsed once a task, not once an entry. */
function prepare(run: StageRun, environment: StageEnvironment, watch: CallWatch): Stage {
  let outputs = 0;
  const steps = run.steps.map((step, position) => {
    const later = new Set(run.steps.slice(position + 1).flatMap((other) => other.needs));
    const ends = run.steps.slice(0, position + 1).filter((other) => !other.keep && !later.has(other.name));
    return { step, ready: prepareStep(step, run.kind, environment), ends: ends.map((other) => other.name) };
  });
  return { run, environment, watch, steps, newPath: () => join(run.scratch, `output-${(outputs += 1)}`) };
}

function prepareStep(step: StageRunStep, kind: StageRun["kind"], environment: StageEnvironment): PreparedStep["ready"] {
  const processor = environment.find(step.use);
  const crashed = (message: string): { failure: Failure } => ({ failure: { class: "crashed", code: "crashed", message } });
  if (!processor) return crashed(`This worker has no processor "${step.use}", which step "${step.name}" uses.`);
  if (processor.kind !== kind) return crashed(`Processor "${step.use}" is a ${processor.kind}, step "${step.name}" was sent as a ${kind}.`);
  if (processor.codec && !environment.codecs) {
    const message = `Processor "${step.use}" needs the sandbox (bwrap), which does not work on this worker.`;
    return { failure: { class: "infrastructure", code: "lost", message } };
  }
  const parsed = processor.params.safeParse(step.with);
  if (parsed.success) return { processor, params: parsed.data };
  const issue = parsed.error.issues[0];
  const message = `Step "${step.name}": parameter ${issue?.path.join(".") || "set"}: ${issue?.message ?? "is not valid"}`;
  return { failure: { class: "bad_input", code: "type_mismatch", message } };
}

/** `index` undefined: one call over all entries. */
async function runEntry(stage: Stage, index: number | undefined): Promise<EntryResult> {
  const { run, environment, watch } = stage;
  const made = new Map<string, readonly StageFile[]>();
  const first = index ?? 0;
  const entries = run.entries
    .slice(first, index === undefined ? undefined : index + 1)
    .map((entry, place) => entryFile(entry, first + place));
  const from = index === undefined ? undefined : run.entries[index]?.from;
  let ran = false;
  for (const [place, { step, ready, ends }] of stage.steps.entries()) {
    environment.signal.throwIfAborted();
    const offered = from === undefined ? entries : step.needs.flatMap((need) => (need === from ? entries : (made.get(need) ?? [])));
    const received = offered.filter((file) => !step.when || acceptsMediaType(step.when.media_type, file.mediaType));
    if (received.length === 0) continue;
    ran = true;
    environment.started(index ?? 0, place);
    const outputs: StageFile[] = [];
    made.set(step.name, outputs);
    try {
      if ("failure" in ready) return fail(made, step, ready.failure);
      const calls = from === undefined ? [received] : received.map((file) => [file]);
      for (const [position, inputs] of calls.entries()) {
        if (position > 0) environment.started(index ?? 0, place);
        outputs.push(
          ...(await callProcessor({
            ...ready,
            step,
            inputs,
            isRoot: run.isRoot ?? true,
            newPath: stage.newPath,
            diskUse: () => diskUse(run),
            watch,
          })),
        );
      }
      if (run.kind === "tree" && outputs.length !== 1) throw new Error(`it emitted ${outputs.length} files; a tree node is one`);
    } catch (error) {
      environment.signal.throwIfAborted();
      return fail(made, step, failureOf(stage, step, error));
    }
    for (const name of ends) discard(made, name);
  }
  return { ok: true, ran, outputs: stage.steps.flatMap(({ step }) => (step.keep ? (made.get(step.name) ?? []).map(kept(step)) : [])) };
}

function entryFile(entry: StageRun["entries"][number], index: number): StageFile {
  return { path: entry.path, name: entry.name, sizeBytes: entry.sizeBytes, mediaType: entry.mediaType, entry: index };
}

function kept(step: StageRunStep): (file: StageFile) => KeptOutput {
  return ({ entry, path, name, mediaType, sizeBytes }) => {
    const content = entry === undefined ? { path } : { passedEntry: entry };
    return { step: step.name, content, name: cleanName(name), mediaType: cleanMediaType(mediaType), sizeBytes };
  };
}

/** Outputs of entries that are done count too: together they may fill a disk that each alone would fit on. */
function diskUse(run: StageRun): { usedBytes: number; limitBytes: number } {
  const inputs = new Set(run.entries.map((entry) => basename(entry.path)));
  const written = readdirSync(run.scratch).filter((name) => !inputs.has(name));
  const sizes = written.map((name) => lstatSync(join(run.scratch, name), { throwIfNoEntry: false })?.size ?? 0);
  return { usedBytes: sum(sizes), limitBytes: sum(run.steps.map((step) => step.outputBytes)) };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function failureOf({ run, environment }: Stage, step: StageRunStep, error: unknown): Failure {
  if (error instanceof CallTimeout) return timedOut(step.name, step.timeoutMs);
  const failure = toFailure(error, { step: step.name, use: step.use, scratch: run.scratch });
  if (failure.class === "crashed") environment.log(`Step "${step.name}" (${step.use}) threw.`, error);
  return failure;
}

/** What a failed entry had made so far is of no use to anybody. */
function fail(made: Map<string, readonly StageFile[]>, step: StageRunStep, failure: Failure): EntryResult {
  for (const name of made.keys()) discard(made, name);
  return { ok: false, failure, step: step.name };
}

/** A file handed on by a later step stays for as long as that step's files do. */
function discard(made: Map<string, readonly StageFile[]>, name: string): void {
  const files = made.get(name) ?? [];
  made.delete(name);
  if (files.length === 0) return;
  const alive = new Set([...made.values()].flat().map((file) => file.path));
  for (const file of files) if (file.entry === undefined && !alive.has(file.path)) rmSync(file.path, { force: true });
}
