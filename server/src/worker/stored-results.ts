import type { StagePlan } from "../jobs/plan.ts";
import type { FileManifest } from "../outputs/content.ts";
import type { ResultRow } from "../outputs/result-cache.ts";
import type { EntryOutcome } from "../jobs/advance/outcome.ts";
import type { EntryResult, KeptOutput } from "../processors/stage-run.ts";
import type { ClaimedTask, Entry } from "../queue/task.ts";
import type { Prepared } from "./prepare.ts";
import type { ReusedOutput } from "./reuse.ts";

/** A result of this run, or of an earlier one, of an entry (of a reduce: of all). */
export interface PlacedResult {
  /** Of a map the index of the entry, of a reduce 0. */
  readonly place: number;
  /** undefined for a reduce. */
  readonly entry: Entry | undefined;
  readonly result: EntryResult | ReusedResult;
}

export interface ReusedResult {
  readonly ok: true;
  readonly ran: true;
  readonly outputs: readonly StoredOutput[];
}

/** As what a host emitted, but its content lies in a file that is stored already. */
export type StoredOutput = Omit<KeptOutput, "content"> & {
  readonly content: { readonly stored: FileManifest } | { readonly handedOn: Entry };
};

/** All that is known of the task's entries, in their order; those that can't be read have no result. */
export function placeResults(
  { task, stage, prepared }: { readonly task: ClaimedTask; readonly stage: StagePlan; readonly prepared: Prepared },
  results: readonly EntryResult[],
): PlacedResult[] {
  const fresh = results.map((result, index) => {
    const place = task.kind === "map" ? (prepared.entries[index]?.index ?? -1) : 0;
    return { place, entry: entryAt(task, place), result };
  });
  const reused = [...prepared.reuse.results].map(([place, outputs]) => {
    const entry = entryAt(task, place);
    const result = { ok: true, ran: true, outputs: outputs.map((output) => storedOutput(output, stage, entry)) } as const;
    return { place, entry, result };
  });
  return [...fresh, ...reused].toSorted((left, right) => left.place - right.place);
}

function entryAt(task: ClaimedTask, place: number): Entry | undefined {
  return task.kind === "map" ? task.entries[place] : undefined;
}

function storedOutput(output: ReusedOutput, stage: StagePlan, entry: Entry | undefined): StoredOutput {
  const step = stage.steps[output.step]?.name;
  if (step === undefined) throw new RangeError(`an earlier result names step ${output.step}, which stage ${stage.no} does not have`);
  const { file } = output;
  const about = { step, name: file.name, mediaType: file.mediaType, sizeBytes: file.sizeBytes };
  if (!output.isInput) return { ...about, content: { stored: output.file } };
  if (!entry) throw new RangeError("an earlier result of a reduce hands on an input");
  return { ...about, content: { handedOn: entry } };
}

/**
 * The results of this run that may be used again: those of steps that ran and succeeded. Of a reduce that handed an input
 * on, nothing is remembered, because which one it was has no place in the row.
 */
export function resultsToRemember(
  { task, stage, prepared }: { readonly task: ClaimedTask; readonly stage: StagePlan; readonly prepared: Prepared },
  placed: readonly PlacedResult[],
  outcomes: readonly EntryOutcome[],
): ResultRow[] {
  const { keys, results } = prepared.reuse;
  const inputs = new Set(task.entries.map((entry) => entry.fileId));
  const isShortLived = stage.steps.some((step) => !step.output && step.feeds.length > 0) || task.tree?.root === false;
  return placed.flatMap(({ place, entry, result }, index) => {
    const key = keys.get(place);
    const outcome = outcomes[index];
    if (!key || results.has(place) || !result.ok || !result.ran || !outcome?.ok) return [];
    if (!entry && outcome.outputs.some((output) => inputs.has(output.fileId))) return [];
    const outputs = outcome.outputs.map(({ step, fileId }) => ({
      step: stage.steps.findIndex((candidate) => candidate.name === step),
      fileId: fileId === entry?.fileId ? ("input" as const) : fileId,
    }));
    return [{ tenantId: task.tenantId, key, outputs, isShortLived }];
  });
}
