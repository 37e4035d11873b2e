import type { Metadata } from "@filemill/contract/files.ts";
import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import type { JobSource } from "@filemill/contract/source.ts";
import type { Plan } from "./plan.ts";

/** A pipeline that was found, linted and planned for one set of parameters. */
export interface PlannedPipeline {
  readonly name: string;
  /** null for built-in and inline pipelines. */
  readonly version: number | null;
  readonly document: PipelineDocument;
  readonly params: Readonly<Record<string, unknown>>;
  readonly plan: Plan;
}

/** One job as asked for. The input files exist already, at the latest in the same transaction. */
export interface Submission {
  readonly tenantId: string;
  readonly pipeline: PlannedPipeline;
  readonly inputs: readonly { readonly fileId: string; readonly sizeBytes: number }[];
  /** Where inputs come from instead; `inputs` is empty then. */
  readonly source?: JobSource;
  readonly priority: number;
  readonly metadata: Metadata;
}

export interface SubmittedJob {
  readonly jobId: string;
  /** To be announced after the commit. */
  readonly lanes: ReadonlySet<string>;
}
