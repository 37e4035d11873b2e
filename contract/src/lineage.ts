import { z } from "zod";
import { FileStatus } from "./status.ts";

export const LineageDirection = z.enum(["up", "down", "both"]);

/** A file in the history of another. All but id and status is null where only what was made of it still tells that it was. */
export const LineageFile = z.object({
  id: z.string(),
  name: z.string().nullable(),
  size: z.int().nullable().describe("bytes"),
  sha256: z.string().nullable().describe("hex"),
  media_type: z.string().nullable(),
  status: FileStatus,
  origin: z
    .enum(["upload", "output", "intermediate", "generated"])
    .nullable()
    .describe(
      "intermediate: it only crossed from one stage of a job to another, and goes when the job has ended; generated: the job made it as its input, and it was never stored",
    ),
  created_at: z.string().nullable(),
  source: z
    .object({
      kind: z.string(),
      location: z.string().describe("without credentials"),
      etag: z.string().nullable(),
      modified_at: z.string().nullable(),
      collected_at: z.string(),
    })
    .nullable()
    .describe("where it was collected, if it was"),
});

/** A step that ran in one go with others: files between them were never stored. */
export const LineageStep = z.object({
  step: z.string(),
  processor: z.string(),
  version: z.string(),
  parameters_sha256: z.string().nullable().describe("of the parameters as JSON with sorted keys; null where the job is gone"),
});

/** One run of a step, or of several in one go: it made `output` from `inputs`. */
export const LineageEdge = z.object({
  job_id: z.string(),
  job_deleted: z.boolean(),
  pipeline: z.string().nullable(),
  item: z.int().nullable().describe("ordinal of the item; null for a reduce"),
  steps: z.array(LineageStep).describe("the steps from the inputs to the output, in the order in which they ran"),
  inputs: z.array(z.string()).describe("ids of files; on the way down only those that were asked about"),
  inputs_total: z.int().describe("how many files it was made from"),
  output: z.string(),
  passed: z.boolean().describe("handed on unchanged: inputs is [output]"),
  cached: z.boolean().describe("the stored result of an earlier run was used again"),
  reused_from: z.string().nullable().describe("the file whose content that was"),
});

/** Answer of GET /files/{id}/lineage. */
export const LineageAnswer = z.object({
  file_id: z.string(),
  files: z.array(LineageFile).describe("the file asked about first"),
  edges: z.array(LineageEdge),
  truncated: z.boolean().describe("there is more: raise depth or limit, or ask about one of the files shown"),
});

export type LineageDirection = z.infer<typeof LineageDirection>;
export type LineageFile = z.infer<typeof LineageFile>;
export type LineageStep = z.infer<typeof LineageStep>;
export type LineageEdge = z.infer<typeof LineageEdge>;
export type LineageAnswer = z.infer<typeof LineageAnswer>;
