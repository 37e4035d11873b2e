import { z } from "zod";
import { ItemCode } from "./errors.ts";
import { FileSummary, Metadata } from "./files.ts";
import { PipelineDocument } from "./pipeline.ts";
import { JobSource, SourceProgress } from "./source.ts";
import { ItemStatus, JobStatus, TaskKind, TaskStatus } from "./status.ts";
import { StorableObject, StorableText } from "./text.ts";

/** Outputs of another job, or only those of some of its steps. */
export const InputsFrom = z.strictObject({ job: z.string(), steps: z.array(z.string().max(40)).min(1).max(100).optional() });

export const AfterPolicy = z
  .enum(["completed", "finished"])
  .describe("completed (default): where one of them does not complete, this job is cancelled. finished: it starts however they ended");

/** Body of POST /jobs. `pipeline` is the name of a stored or built-in pipeline, `name@version`, or a document. */
export const JobRequest = z.strictObject({
  pipeline: z.union([StorableText, PipelineDocument]),
  inputs: z
    .array(z.string())
    .min(1)
    .max(100_000)
    .optional()
    .describe("ids of files that are here already, or of bulk uploads, which stand for all their files; this or `source`"),
  source: JobSource.optional().describe("where to collect the inputs from; this or `inputs`"),
  inputs_from: z
    .union([InputsFrom, z.array(InputsFrom).min(1).max(100)])
    .optional()
    .describe("instead of `inputs`: the outputs of other jobs, which this one then starts after"),
  after: z.array(z.string()).min(1).max(100).optional().describe("ids of jobs; this one starts when all of them have ended"),
  after_policy: AfterPolicy.optional(),
  params: StorableObject.optional(),
  priority: z.int().min(-100).max(100).optional().describe("higher first, among the jobs of one tenant; 0 unless told"),
  metadata: Metadata.optional(),
  profile: z
    .boolean()
    .optional()
    .describe("record CPU profiles of its tasks, see /jobs/{id}/profiles; results of before are not used again"),
});

/** 202 of POST /jobs and of POST /files with a pipeline. */
export const JobAccepted = z.object({
  job_id: z.string(),
  status: JobStatus,
  estimated_completion: z.string().nullable(),
  files: z.array(FileSummary),
});

export const Counts = z.object({
  total: z.int(),
  waiting: z.int(),
  running: z.int(),
  succeeded: z.int(),
  skipped: z.int(),
  dead: z.int(),
  cancelled: z.int(),
});

export const OutputFile = FileSummary.extend({
  url: z.string(),
  step: z.string(),
  cached: z.boolean().describe("the stored result of an earlier run was used again; see /files/{id}/lineage"),
});

export const FailureResource = z.object({
  code: ItemCode,
  step: z.string().nullable(),
  message: z.string(),
});

/** What has become of the work of a stage: a chain of map steps that run in one go, a source's listing, or a reduce. */
export const StageResource = z.object({
  kind: TaskKind,
  steps: z.array(z.string()),
  status: z.enum(["open", "closed", "cancelled"]),
  done: z
    .int()
    .describe("items that ended (map), objects or inputs found (source), nodes that succeeded (tree); 1 where a gather has ended"),
  total: z.int().nullable().describe("null while more may come"),
});

export const JobResource = z.object({
  id: z.string(),
  status: JobStatus,
  pipeline: z.object({ name: z.string(), version: z.int().nullable() }),
  progress: z.number().min(0).max(100),
  counts: Counts,
  stages: z.array(StageResource).describe("in the order in which they feed each other"),
  created_at: z.string(),
  started_at: z.string().nullable(),
  finished_at: z.string().nullable(),
  estimated_completion: z.string().nullable(),
  /** At most 1,000, in the order of their items; GET /jobs/{id}/items and outputs.zip have all. */
  output_files: z.array(OutputFile),
  metadata: z.record(z.string(), z.union([z.string(), z.number()])),
  priority: z.int(),
  error: FailureResource.nullable(),
  source: SourceProgress.nullable().describe("of a job that collects its inputs"),
  after: z
    .object({
      policy: AfterPolicy,
      waiting: z.boolean().describe("has not started yet for that reason"),
      jobs: z.array(z.object({ job_id: z.string(), outcome: JobStatus.nullable().describe("how it ended; null: not yet") })),
    })
    .nullable()
    .describe("of a job that was to start after others"),
});

export const JobSummary = JobResource.omit({ output_files: true });

export const ItemResource = z.object({
  id: z.string(),
  ordinal: z.int(),
  parent_ordinal: z.int().nullable(),
  status: ItemStatus,
  input: FileSummary.nullable(),
  outputs: z.array(OutputFile),
  error: FailureResource.nullable(),
  attempts: z.int(),
  source: z.string().nullable().describe("where it was collected from, without what may be secret in it"),
});

export const TaskResource = z.object({
  id: z.string(),
  job_id: z.string(),
  kind: TaskKind,
  status: TaskStatus,
  stage: z.int(),
  steps: z.array(z.string()),
  lane: z.string(),
  items: z.int(),
  items_done: z.int().describe("of a batch: while it runs, those that are done; after a failure, those that were"),
  epoch: z.int(),
  attempts: z.int(),
  losses: z.int(),
  worker_id: z.string().nullable(),
  created_at: z.string(),
  started_at: z.string().nullable(),
  finished_at: z.string().nullable(),
  error: FailureResource.nullable(),
});

export type JobRequest = z.infer<typeof JobRequest>;
export type JobAccepted = z.infer<typeof JobAccepted>;
export type InputsFrom = z.infer<typeof InputsFrom>;
export type AfterPolicy = z.infer<typeof AfterPolicy>;
export type Counts = z.infer<typeof Counts>;
export type OutputFile = z.infer<typeof OutputFile>;
export type FailureResource = z.infer<typeof FailureResource>;
export type StageResource = z.infer<typeof StageResource>;
export type JobResource = z.infer<typeof JobResource>;
export type JobSummary = z.infer<typeof JobSummary>;
export type ItemResource = z.infer<typeof ItemResource>;
export type TaskResource = z.infer<typeof TaskResource>;
