import { lstatSync } from "node:fs";
import type { EntryResult, KeptOutput } from "../processors/stage-run.ts";
import type { StagePlan } from "../jobs/plan.ts";
import { stepOfWorker } from "./fetch-inputs.ts";
import { isKeptInStage } from "./kept-steps.ts";
import type { PreparedEntry } from "./prepare.ts";

/**
 * A host's results over entries that were fetched: the step that fetched them emits them as well, and a step that handed
 * one on did not hand on a file which is stored already.
 */
export function withFetched(
  { stage, entries }: { readonly stage: StagePlan; readonly entries: readonly PreparedEntry[] },
  results: readonly EntryResult[],
): EntryResult[] {
  const step = stepOfWorker(stage);
  return results.map((result, index): EntryResult => {
    const entry = entries[index];
    if (!step || !result.ok || entry?.isFetched !== true) return result;
    const own = isKeptInStage(step, stage) ? [fetchedOutput(entry, step.name)] : [];
    const outputs = result.outputs.map((output) => ("passedEntry" in output.content ? handedOn(output, entry) : output));
    const all = [...own, ...outputs];
    return all.some((output) => "path" in output.content && output.content.path === entry.path) && !isUntouched(entry)
      ? { ok: false, step: step.name, failure: TOUCHED }
      : { ...result, ran: true, outputs: all };
  });
}

const TOUCHED = {
  class: "crashed",
  code: "crashed",
  message: "The process that ran the steps behind this one did not leave what was fetched as it was.",
} as const;

function fetchedOutput({ path, name, mediaType, sizeBytes }: PreparedEntry, step: string): KeptOutput {
  return { step, content: { path }, name, mediaType, sizeBytes };
}

function handedOn(output: KeptOutput, { path }: PreparedEntry): KeptOutput {
  return { ...output, content: { path } };
}

/** A host that was taken over may have put a link in its place, by which the worker would store what is not the tenant's. */
function isUntouched({ path, sizeBytes }: PreparedEntry): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat?.isFile() === true && stat.nlink === 1 && stat.size === sizeBytes;
}
