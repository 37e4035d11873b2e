import type { Failure } from "../errors.ts";

/**
 * What a worker sends to a step host and gets back: one message a task, paths only, never bytes. The host runs every
 * step of the stage for every entry, in order, and keeps only the outputs of steps marked `keep`.
 */
export interface StageRun {
  readonly type: "run";
  readonly kind: "map" | "tree" | "gather";
  readonly steps: readonly StageRunStep[];
  /** map: each entry is one file and goes through the steps alone. tree and gather: all entries are one call. */
  readonly entries: readonly StageRunEntry[];
  /** Empty folder for this task; outputs are written below it. */
  readonly scratch: string;
  /** fan_in of a tree stage. */
  readonly fanIn?: number;
  /** Record a CPU profile of the steps. */
  readonly profile?: true;
  /** Of a tree's node whose output goes to another node. */
  readonly isRoot?: false;
}

export interface StageRunStep {
  readonly name: string;
  readonly use: string;
  readonly with: Readonly<Record<string, unknown>>;
  /** Steps of this stage, or of earlier stages, whose files this one takes; `""` is the job's inputs. */
  readonly needs: readonly string[];
  readonly when?: { readonly media_type: readonly string[] };
  readonly timeoutMs: number;
  readonly outputBytes: number;
  readonly keep: boolean;
}

export interface StageRunEntry {
  /** The step (of an earlier stage) that made the file, `""` for an input of the job. */
  readonly from: string;
  readonly path: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly mediaType: string;
}

/** Host → worker, before the first call of a step. Which call it is in at any time stands in worker/host/last-call.ts. */
export interface StageRunBegun {
  readonly type: "begun";
}

/** Host → worker at the end: one result an entry for map; exactly one for tree and gather. */
export interface StageRunDone {
  readonly type: "done";
  readonly results: readonly EntryResult[];
  readonly profile?: RecordedProfile | undefined;
}

/** A .cpuprofile in scratch. */
export interface RecordedProfile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly wallMs: number;
  /** Of the whole host, threads of native code included. */
  readonly cpuMs: number;
  /** Only the beginning was recorded. */
  readonly isCut: boolean;
}

export type EntryResult =
  /** `passed`: no step's `when` took it. */
  | { readonly ok: true; readonly outputs: readonly KeptOutput[]; readonly ran: boolean }
  | { readonly ok: false; readonly failure: Failure; readonly step: string };

export interface KeptOutput {
  readonly step: string;
  /** A regular file in scratch; or, where a processor handed an input on unchanged, the index of that entry. */
  readonly content: { readonly path: string } | { readonly passedEntry: number };
  readonly name: string;
  readonly mediaType: string;
  readonly sizeBytes: number;
}
