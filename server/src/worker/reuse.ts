import type { Database, Transaction } from "../db/database.ts";
import type { StagePlan } from "../jobs/plan.ts";
import type { FileManifest } from "../outputs/content.ts";
import { findResults, forgetResults, type CachedOutput } from "../outputs/result-cache.ts";
import { createResultKeys, type ReusableInput } from "../outputs/result-cache-key.ts";
import type { Catalogue } from "../processors/catalogue.ts";
import type { ClaimedTask } from "../queue/task.ts";
import type { GeneratedFile } from "./generated-files.ts";
import { isKeptInStage } from "./kept-steps.ts";

/** A tenant's key for telling equal content. */
export interface ResultSecrets {
  purposeKey(tenantId: string, purpose: "dedup"): Promise<{ readonly key: Buffer }>;
}

type InputFile = FileManifest | GeneratedFile;

/** What is known of a task before it runs; by place: of a map the index of the entry, of a reduce 0. */
export interface Reuse {
  /** The key under which a result may be remembered. */
  readonly keys: ReadonlyMap<number, Buffer>;
  /** Results of earlier runs. */
  readonly results: ReadonlyMap<number, readonly ReusedOutput[]>;
}

/**
 * One output of an earlier run, in the order in which they were emitted; `step` is the step's place in its stage. isInput: the
 * step handed its input on, and `file` is the entry's own.
 */
export type ReusedOutput =
  | { readonly step: number; readonly file: FileManifest; readonly isInput: false }
  | { readonly step: number; readonly file: InputFile; readonly isInput: true };

export const NO_REUSE: Reuse = { keys: new Map(), results: new Map() };

/** Looks for results of earlier runs, given the files of the task's entries (undefined: gone); one statement for all of them. */
export type LookUp = (transaction: Transaction, files: readonly (InputFile | undefined)[]) => Promise<Reuse>;

/**
 * The look-up for a task, or undefined where its stage is not to be reused: because nobody asked, or because this worker runs
 * another version of a processor than the job was planned with, whose results have another key.
 */
export async function openLookUp(
  services: { readonly catalogue: Catalogue; readonly secrets?: ResultSecrets | undefined },
  task: ClaimedTask,
  stage: StagePlan,
): Promise<LookUp | undefined> {
  const { catalogue, secrets } = services;
  const { reuse } = stage;
  if (!reuse || !secrets || stage.steps.some((step) => catalogue.get(step.use)?.version !== step.version)) return undefined;
  const { key: secret } = await secrets.purposeKey(task.tenantId, "dedup");
  const steps = stage.steps.map((step) => ({ ...step, keep: isKeptInStage(step, stage) }));
  const keys = createResultKeys(secret, { kind: stage.kind, reuse, steps, isRoot: task.tree?.root });
  return async (transaction, files) => {
    const inputs = task.entries.map((entry, index) => inputOf(entry.from, files[index]));
    const keyOf = new Map<number, Buffer>();
    if (stage.kind === "map") for (const [index, input] of inputs.entries()) if (input) keyOf.set(index, keys.of([input]));
    if (stage.kind !== "map" && !inputs.includes(undefined)) keyOf.set(0, keys.of(inputs.flatMap((input) => input ?? [])));
    if (keyOf.size === 0) return NO_REUSE;
    const found = await findResults(transaction, { tenantId: task.tenantId, keys: [...keyOf.values()] });
    const results = [...keyOf].flatMap(([place, key]) => {
      const outputs = found.get(key.toString("hex"));
      return outputs ? [[place, outputs.flatMap((output) => reusedOutput(output, files[place]) ?? [])] as const] : [];
    });
    return { keys: keyOf, results: new Map(results) };
  };
}

/** Their content can't be read, though their rows say that it is there. */
export async function forgetReused(database: Database, { tenantId }: ClaimedTask, { keys, results }: Reuse): Promise<void> {
  const used = [...keys].flatMap(([place, key]) => (results.has(place) ? [key] : []));
  await database.asSystem((transaction) => forgetResults(transaction, { tenantId, keys: used }));
}

export function countReused({ keys, results }: Reuse): { hits: number; misses: number } {
  return { hits: results.size, misses: keys.size - results.size };
}

function reusedOutput({ step, file }: CachedOutput, input: InputFile | undefined): ReusedOutput | undefined {
  if (file !== "input") return { step, file, isInput: false };
  return input && { step, file: input, isInput: true };
}

function inputOf(from: string, file: InputFile | undefined): ReusableInput | undefined {
  return file && { from, sha256: file.sha256, mediaType: file.mediaType, name: file.name };
}
