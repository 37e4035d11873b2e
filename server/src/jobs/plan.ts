import type { Batch } from "@filemill/contract/pipeline.ts";

/**
 * A pipeline document made ready to run: parameters filled in, steps grouped into stages. Kept with the job, so that
 * a later change of the pipeline or of a default never touches a running one.
 *
 * A stage is a maximal group of connected map steps with equal lane, batch and attempts; a task runs all of them for its entries in one go.
 * It ends behind a processor that emits many files and at a reduce. A tree or a gather is a stage of its own.
 */
export interface Plan {
  readonly stages: readonly StagePlan[];
  /** How long what the job makes is kept; left out: as the tenant says. */
  readonly retentionMs?: number;
  /** Its tasks are profiled (plan-profile.ts). */
  readonly profile?: true;
}

export interface StagePlan {
  /** Index in `stages`; a stage only depends on stages before it. */
  readonly no: number;
  /** source: lists or generates the job's inputs; always stage 0 (sources/plan-source.ts, sources/generate.ts). */
  readonly kind: "source" | "map" | "tree" | "gather";
  /** source only: it makes so many inputs out of nothing. */
  readonly generates?: number;
  readonly lane: string;
  readonly attempts: number;
  /** Places of a worker that a task takes: what the heaviest of its steps asks for. Left out: 1. */
  readonly weight?: number;
  readonly batch?: Batch;
  /** tree only. */
  readonly fanIn?: number;
  /** In an order in which each step comes after those it needs. */
  readonly steps: readonly StepPlan[];
  /** May an earlier result of all of its steps together stand for a new one, and what must be equal for it? */
  readonly reuse?: "content" | "content_and_names";
  /** Stages whose outputs come in here; empty = only the job's inputs. */
  readonly feeders: readonly number[];
  /** Does this stage take the job's inputs (some step needs `""`)? */
  readonly takesInputs: boolean;
  /**
   * Is the number of entries this stage will get known when the job is planned? True where no fan-out lies above it and
   * every entry above gives exactly one; a tree then starts before its feeders have ended.
   */
  readonly countKnown: boolean;
  /** Behind a source: each object of it is exactly one item here. */
  readonly perInput?: true;
}

export interface StepPlan {
  readonly name: string;
  readonly use: string;
  readonly version: string;
  readonly with: Readonly<Record<string, unknown>>;
  /** Step names; `""` is the job's inputs. */
  readonly needs: readonly string[];
  readonly when?: { readonly media_type: readonly string[] };
  readonly onError: "fail" | "skip";
  readonly timeoutMs: number;
  readonly emits: "one" | "many";
  /** The pipeline names it as an output. */
  readonly output: boolean;
  /** Stages that take its files. */
  readonly feeds: readonly number[];
}
