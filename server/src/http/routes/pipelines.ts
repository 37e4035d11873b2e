import { Page } from "@filemill/contract/files.ts";
import { PipelineName, type PipelineDocument } from "@filemill/contract/pipeline.ts";
import { LintAnswer, PipelineResource } from "@filemill/contract/pipelines.ts";
import { StorableText } from "@filemill/contract/text.ts";
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { notFound, Problem } from "../../errors.ts";
import { failpoint } from "../../failpoint.ts";
import { BUILT_IN_PIPELINES } from "../../jobs/pipelines/built-in.ts";
import { findPipeline, resourceOfBuiltIn } from "../../jobs/pipelines/find.ts";
import { lintPipeline } from "../../jobs/pipelines/lint.ts";
import { lintedDocument } from "../../jobs/pipelines/resolve.ts";
import { deletePipeline, listPipelines, putPipeline } from "../../jobs/pipelines/store.ts";
import { appendAudit } from "../../record/audit.ts";
import { decodePlace, encodePlace } from "../place-cursor.ts";
import type { Services } from "../services.ts";

const NameParams = z.object({ name: z.string() });
const ListQuery = z.object({ cursor: z.string().optional(), limit: z.coerce.number().int().min(1).max(1_000).default(100) });
/** Anything: what is wrong with it is for the linter to say. */
const Document = z.unknown().describe("A pipeline document.");

/** /pipelines: the built-in ones and the tenant's own, in versions. */
export function pipelinesRoutes({ database, catalogue }: Services): FastifyPluginAsync {
  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>();

    app.get(
      "/pipelines",
      {
        schema: {
          summary: "List pipelines by name, in their latest version",
          tags: ["pipelines"],
          querystring: ListQuery,
          response: { 200: Page(PipelineResource) },
        },
      },
      async (request) => {
        const { cursor, limit } = request.query;
        const [after] = cursor === undefined ? [""] : decodePlace(cursor, z.tuple([StorableText]));
        const own = await database.asTenant(request.principal.tenantId, (transaction) =>
          listPipelines(transaction, { limit: limit + 1, after }),
        );
        const shadowed = new Set(own.map(({ name }) => name));
        const builtIn = BUILT_IN_PIPELINES.filter(({ name }) => name > after && !shadowed.has(name)).map(resourceOfBuiltIn);
        const all = [...own, ...builtIn].toSorted((left, right) => (left.name < right.name ? -1 : 1));
        const data = all.slice(0, limit);
        return { data, next_cursor: all.length > limit ? encodePlace([data.at(-1)?.name ?? ""]) : null };
      },
    );

    app.post(
      "/pipelines/lint",
      {
        config: { role: "read-only" },
        schema: {
          summary: "Say everything that is wrong with a pipeline document",
          tags: ["pipelines"],
          body: Document,
          response: { 200: LintAnswer },
        },
      },
      async (request) => {
        const issues = lintPipeline(request.body, catalogue);
        return { valid: issues.length === 0, issues };
      },
    );

    app.get(
      "/pipelines/:name",
      {
        schema: {
          summary: "Look at a pipeline: name, or name@version",
          tags: ["pipelines"],
          params: NameParams,
          response: { 200: PipelineResource },
        },
      },
      (request) => database.asTenant(request.principal.tenantId, (transaction) => findPipeline(transaction, request.params.name)),
    );

    const store = async (
      request: FastifyRequest,
      reply: FastifyReply,
      name: string,
      document: PipelineDocument,
    ): Promise<PipelineResource> => {
      const { tenantId, actor } = request.principal;
      const { resource, created } = await database.asTenant(tenantId, async (transaction) => {
        const put = await putPipeline(transaction, { tenantId, name, document });
        if (put.created)
          await appendAudit(transaction, { tenantId, actor, action: "pipeline.put", object: `${name}@${put.resource.version}` });
        await failpoint("pipeline-before-commit");
        return put;
      });
      await failpoint("pipeline-after-commit");
      reply.code(created ? 201 : 200);
      return resource;
    };

    app.put(
      "/pipelines/:name",
      {
        schema: {
          summary: "Store a pipeline; a changed document becomes its next version",
          tags: ["pipelines"],
          params: z.object({ name: PipelineName }),
          body: Document,
          response: { 200: PipelineResource, 201: PipelineResource },
        },
      },
      async (request, reply) => {
        const document = lintedDocument(request.body, catalogue, "");
        const { name } = request.params;
        if (document.name !== undefined && document.name !== name) {
          const issues = [{ pointer: "/name", message: `is "${document.name}", but the path says "${name}"`, suggestion: "Leave it out." }];
          throw new Problem("validation_failed", `The document is called "${document.name}", the path says "${name}".`, { issues });
        }
        return await store(request, reply, name, document);
      },
    );

    app.post(
      "/pipelines",
      {
        schema: {
          summary: "Store a pipeline under the name in its document",
          tags: ["pipelines"],
          body: Document,
          response: { 200: PipelineResource, 201: PipelineResource },
        },
      },
      async (request, reply) => {
        const document = lintedDocument(request.body, catalogue, "");
        if (document.name === undefined) {
          throw new Problem("validation_failed", "The document has no name to be stored under.", {
            issues: [{ pointer: "/name", message: "is required" }],
          });
        }
        return await store(request, reply, document.name, document);
      },
    );

    app.delete(
      "/pipelines/:name",
      {
        schema: {
          summary: "Delete a pipeline in all its versions",
          tags: ["pipelines"],
          params: NameParams,
          response: { 204: z.undefined().describe("deleted") },
        },
      },
      async (request, reply) => {
        const { tenantId, actor } = request.principal;
        const { name } = request.params;
        await database.asTenant(tenantId, async (transaction) => {
          if (!(await deletePipeline(transaction, name))) throw refusal(name);
          await appendAudit(transaction, { tenantId, actor, action: "pipeline.delete", object: name });
          await failpoint("pipeline-delete-before-commit");
        });
        await failpoint("pipeline-delete-after-commit");
        return reply.code(204).send();
      },
    );
  };
}

function refusal(name: string): Problem {
  const builtIn = BUILT_IN_PIPELINES.some((pipeline) => pipeline.name === name);
  return builtIn ? new Problem("conflict", `The pipeline "${name}" is built in and can't be deleted.`) : notFound("pipeline", name);
}
