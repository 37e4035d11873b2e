import { ScrubAnswer } from "@filemill/contract/scrub.ts";
import type { FastifyPluginAsync } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { readScrub, restartScrub } from "../../lifecycle/scrub-state.ts";
import { appendAudit } from "../../record/audit.ts";
import type { Services } from "../services.ts";

const ScrubQuery = z.object({ limit: z.coerce.number().int().min(1).max(1_000).default(100) });

/** /admin/scrub: what the reading of all stored files has found. */
export function scrubRoutes({ database }: Services): FastifyPluginAsync {
  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>();

    app.get(
      "/admin/scrub",
      {
        config: { role: "operator" },
        schema: {
          summary: "How the integrity scrub stands, and which files it found damaged",
          tags: ["admin"],
          querystring: ScrubQuery,
          response: { 200: ScrubAnswer },
        },
      },
      async (request) => await readScrub(database, request.query.limit),
    );

    app.post(
      "/admin/scrub",
      {
        config: { role: "operator" },
        schema: {
          summary: "Begin the integrity scrub anew, within a minute",
          tags: ["admin"],
          response: { 202: ScrubAnswer },
        },
      },
      async (request, reply) => {
        const { tenantId, actor } = request.principal;
        await restartScrub(database);
        await database.asSystem((transaction) => appendAudit(transaction, { tenantId, actor, action: "scrub.start", object: "scrub" }));
        return reply.code(202).send(await readScrub(database, 100));
      },
    );
  };
}
