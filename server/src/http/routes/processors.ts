import { ProcessorResource } from "@filemill/contract/pipelines.ts";
import type { FastifyPluginAsync } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { Problem } from "../../errors.ts";
import { didYouMean } from "../../jobs/pipelines/nearest.ts";
import { describe } from "../../processors/describe.ts";
import type { Services } from "../services.ts";

/** /processors: the catalogue, with the parameters of each as JSON Schema. */
export function processorsRoutes({ catalogue }: Services): FastifyPluginAsync {
  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>();

    app.get(
      "/processors",
      {
        schema: {
          summary: "List the processors",
          tags: ["processors"],
          response: { 200: z.object({ data: z.array(ProcessorResource), next_cursor: z.null() }) },
        },
      },
      async () => ({ data: catalogue.list().map((processor) => describe(processor)), next_cursor: null }),
    );

    app.get(
      "/processors/:name",
      {
        schema: {
          summary: "Look at a processor",
          tags: ["processors"],
          params: z.object({ name: z.string() }),
          response: { 200: ProcessorResource },
        },
      },
      async (request) => {
        const { name } = request.params;
        const processor = catalogue.get(name);
        if (processor) return describe(processor);
        const { suggestion = "GET /api/v1/processors lists those there are." } = didYouMean(
          name,
          catalogue.list().map((each) => each.name),
        );
        throw new Problem("not_found", `There is no processor "${name}". ${suggestion}`);
      },
    );
  };
}
