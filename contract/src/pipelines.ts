import { z } from "zod";
import { Issue } from "./errors.ts";
import { PipelineDocument } from "./pipeline.ts";

export const PipelineResource = z.object({
  id: z.string().nullable().describe("null for a built-in pipeline"),
  name: z.string(),
  version: z.int().nullable().describe("null for a built-in pipeline"),
  built_in: z.boolean(),
  document: PipelineDocument,
  created_at: z.string().nullable(),
});

/** Answer of POST /pipelines/lint: every problem at once. */
export const LintAnswer = z.object({ valid: z.boolean(), issues: z.array(Issue) });

/** One entry of GET /processors; `parameters` is JSON Schema. */
export const ProcessorResource = z.object({
  name: z.string(),
  version: z.string(),
  title: z.string(),
  description: z.string(),
  kind: z.enum(["map", "tree", "gather"]),
  emits: z.enum(["one", "many"]),
  accepts: z.array(z.string()),
  produces: z.array(z.string()),
  parameters: z.record(z.string(), z.unknown()),
  example: z.record(z.string(), z.unknown()),
  available: z.boolean(),
  cacheable: z.boolean().describe("a step that uses it may ask for results of earlier runs: `cache` true"),
});

export type PipelineResource = z.infer<typeof PipelineResource>;
export type LintAnswer = z.infer<typeof LintAnswer>;
export type ProcessorResource = z.infer<typeof ProcessorResource>;
