import { decodeId } from "@filemill/contract/ids.ts";
import { LineageAnswer, LineageDirection } from "@filemill/contract/lineage.ts";
import type { FastifyPluginAsync } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { notFound } from "../../errors.ts";
import { readJobHistories } from "../../jobs/step-history.ts";
import { readLineage } from "../../outputs/lineage.ts";
import { lineageAnswer } from "../lineage-answers.ts";
import type { Services } from "../services.ts";

const Id = z.object({ id: z.string() });
/** Each level costs a few look-ups, each link some 300 bytes of the answer. */
const Query = z.object({
  direction: LineageDirection.default("both"),
  depth: z.coerce.number().int().min(1).max(100).default(10).describe("steps away from the file"),
  limit: z.coerce.number().int().min(1).max(5_000).default(1_000).describe("links between files, in each direction"),
});

/** GET /files/{id}/lineage */
export function lineageRoutes({ database }: Services): FastifyPluginAsync {
  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>();
    app.get(
      "/files/:id/lineage",
      {
        schema: {
          summary: "What a file was made from, and what was made from it",
          tags: ["files"],
          params: Id,
          querystring: Query,
          response: { 200: LineageAnswer },
        },
      },
      async (request) => {
        const fileId = decodeId("file", request.params.id);
        if (fileId === undefined) throw notFound("file", request.params.id);
        const found = await database.asTenant(request.principal.tenantId, async (transaction) => {
          const lineage = await readLineage(transaction, { fileId, ...request.query });
          if (!lineage) return undefined;
          const jobIds = [...new Set(lineage.edges.map((edge) => edge.jobId))];
          return { lineage, jobs: await readJobHistories(transaction, jobIds) };
        });
        if (!found) throw notFound("file", request.params.id);
        return lineageAnswer(found.lineage, found.jobs);
      },
    );
  };
}
