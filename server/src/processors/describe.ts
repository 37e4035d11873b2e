import type { ProcessorResource } from "@filemill/contract/pipelines.ts";
import { z } from "zod";
import type { Processor } from "./processor.ts";

/** A declaration as GET /processors shows it. `available` is false where its codec needs a sandbox that isn't there. */
export function describe(processor: Processor, options: { available: boolean } = { available: true }): ProcessorResource {
  return {
    name: processor.name,
    version: processor.version,
    title: processor.title,
    description: processor.description,
    kind: processor.kind,
    emits: processor.emits,
    accepts: [...processor.accepts],
    produces: [...processor.produces],
    // "input": what a user writes, so that a parameter with a default is not required.
    parameters: z.toJSONSchema(processor.params, { io: "input" }),
    example: { ...processor.example },
    available: options.available,
    cacheable: processor.cacheable !== undefined,
  };
}
