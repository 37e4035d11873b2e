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
  batch: Batch.optional(),
  fan_in: z.int().min(2).max(1_000).optional(),
  cache: z.boolean().optional(),
});

/** The pipeline document. Unknown keys are errors. */
export const PipelineDocument = z.strictObject({
  name: PipelineName.optional(),
  description: z.string().max(1_000).optional(),
  params: z.record(z.string(), z.unknown()).optional().describe("JSON Schema of the parameters, used as ${params.x} inside with."),
  steps: z.record(StepName, Step),
  outputs: z.array(z.string()).optional().describe("Steps whose outputs are kept; left out, the steps that no other step needs."),
  retention: Duration.optional(),
});

export type Batch = z.infer<typeof Batch>;
export type Step = z.infer<typeof Step>;
export type PipelineDocument = z.infer<typeof PipelineDocument>;
