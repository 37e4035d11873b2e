import { z } from "zod";
import { Duration, Size } from "./units.ts";

/** A media type or a family of them: `image/png`, `image/*`, any. */
export const MediaTypePattern = z
  .string()
  .regex(/^[\w.+-]+\/(?:[\w.+-]+|\*)$|^\*\/\*$/, "must be a media type, such as image/png or image/*");

export const StepName = z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/, "must be 1–40 of a–z, 0–9, _ and -, starting with a letter");
export const PipelineName = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, "must be 1–63 of a–z, 0–9 and -, starting with a letter");

/** How many inputs one task takes. Left out: small files are packed together by count and bytes. */
export const Batch = z.union([
  z.strictObject({ items: z.int().min(1).max(10_000) }),
  z.strictObject({ bytes: Size }),
  z.strictObject({ fraction: z.number().gt(0).max(1), sequential: z.boolean().optional() }),
]);

export const Step = z.strictObject({
  use: z.string().describe("The processor, such as image.resize."),
  needs: z.array(z.string()).optional().describe("Steps whose outputs this step takes; left out, the inputs of the job."),
  with: z.record(z.string(), z.unknown()).optional().describe("The parameters of the processor."),
  when: z
    .strictObject({ media_type: z.array(MediaTypePattern).min(1) })
    .optional()
    .describe("Only files of these media types; others pass by."),
  on_error: z
    .enum(["fail", "skip"])
    .optional()
    .describe("fail (default): what depends on a dead item ends. skip: reduces run on the survivors."),
  attempts: z.int().min(1).max(20).optional(),
  timeout: Duration.optional(),
  lane: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,31}$/)
    .optional(),
  weight: z
    .int()
    .min(1)
    .max(64)
    .optional()
    .describe("How many places of a worker a task of this step takes; 1 unless told, all of a worker's where it has fewer."),
  batch: Batch.optional(),
  fan_in: z.int().min(2).max(1_000).optional(),
  cache: z.boolean().optional(),
});

/** When the pipeline runs by itself. Only a stored pipeline does, in its latest version. */
export const Trigger = z.strictObject({
  on: z.literal("file.stored"),
  media_type: z.array(MediaTypePattern).min(1).max(50).optional().describe("One of these, told from the content."),
  name: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe("Names that match, such as *.csv; * ? and, as a whole name of a path, ** mean something."),
  metadata: z.record(z.string().max(128), z.string().max(2_048)).optional().describe("The file has all of these, with these values."),
  min_size: Size.optional(),
  max_size: Size.optional(),
  outputs: z
    .strictObject({ max_depth: z.int().min(1).max(10) })
    .optional()
    .describe("Also files that jobs made: at most so many triggered jobs one behind the other. Left out, only files that were uploaded."),
  max_files: z.int().min(1).max(10_000).optional().describe("Of one job, 10,000 unless told; files that come together go into one job."),
  params: z.record(z.string(), z.unknown()).optional().describe("Of the jobs."),
});

/** The pipeline document. Unknown keys are errors. */
export const PipelineDocument = z.strictObject({
  name: PipelineName.optional(),
  description: z.string().max(1_000).optional(),
  params: z.record(z.string(), z.unknown()).optional().describe("JSON Schema of the parameters, used as ${params.x} inside with."),
  steps: z.record(StepName, Step),
  outputs: z.array(z.string()).optional().describe("Steps whose outputs are kept; left out, the steps that no other step needs."),
  retention: Duration.optional(),
  triggers: z
    .array(Trigger)
    .max(20)
    .optional()
    .describe("What the pipeline runs on by itself; a file that several match is run over once."),
});

export type Batch = z.infer<typeof Batch>;
export type Step = z.infer<typeof Step>;
export type Trigger = z.infer<typeof Trigger>;
export type PipelineDocument = z.infer<typeof PipelineDocument>;
