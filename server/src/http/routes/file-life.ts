import { FilePatch, FileResource, HoldRequest, Retention } from "@filemill/contract/files.ts";
import { parseDuration } from "@filemill/contract/parse-units.ts";
import type { FastifyPluginAsync } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { notFound } from "../../errors.ts";
import { holdFile, liftHold } from "../../lifecycle/hold.ts";
import { restoreFile } from "../../lifecycle/restore-file.ts";
import { readRetention, setExpiry, setRetention } from "../../lifecycle/retention.ts";
import { findFile } from "../../uploads/find-files.ts";
import { fileResource } from "../file-answers.ts";
import { fileId } from "../file-id.ts";
import type { Services } from "../services.ts";

const Id = z.object({ id: z.string() });

/** When files end, what keeps them and brings them back: PATCH /files/{id}, /files/{id}/hold, /files/{id}/restore and /retention. */
export function fileLifeRoutes({ database, stores }: Services): FastifyPluginAsync {
  async function look(tenantId: string, id: string, text: string): Promise<FileResource> {
    const row = await database.asTenant(tenantId, (transaction) => findFile(transaction, id));
    if (row === undefined) throw notFound("file", text);
    return fileResource(row);
  }

  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>();

    app.patch(
      "/files/:id",
      {
        schema: {
          summary: "Say when a file ends by itself",
          tags: ["files"],
          params: Id,
          body: FilePatch,
          response: { 200: FileResource },
        },
      },
      async (request) => {
        const { tenantId, actor } = request.principal;
        const id = fileId(request.params.id);
        const { expires_at } = request.body;
        await setExpiry(database, { tenantId, id, actor, expiresAt: expires_at === null ? null : new Date(expires_at) });
        return await look(tenantId, id, request.params.id);
      },
    );

    app.post(
      "/files/:id/hold",
      {
        config: { role: "admin" },
        schema: {
          summary: "Put a file under a legal hold",
          description: "A held file can't be deleted, expired or erased by anybody until the hold is lifted.",
          tags: ["files"],
          params: Id,
          body: HoldRequest,
          response: { 200: FileResource },
        },
      },
      async (request) => {
        const { tenantId, actor } = request.principal;
        const id = fileId(request.params.id);
        await holdFile(database, { tenantId, id, actor, reason: request.body.reason });
        return await look(tenantId, id, request.params.id);
      },
    );

    app.delete(
      "/files/:id/hold",
      {
        config: { role: "admin" },
        schema: { summary: "Lift a file's legal hold", tags: ["files"], params: Id, response: { 200: FileResource } },
      },
      async (request) => {
        const { tenantId, actor } = request.principal;
        const id = fileId(request.params.id);
        await liftHold(database, { tenantId, id, actor });
        return await look(tenantId, id, request.params.id);
      },
    );

    app.post(
      "/files/:id/restore",
      {
        schema: {
          summary: "Bring a file back from a colder storage class",
          description: "200 where it is there now. 202 where its store needs hours: ask for the file until its storage_class is hot.",
          tags: ["files"],
          params: Id,
          response: { 200: FileResource, 202: FileResource },
        },
      },
      async (request, reply) => {
        const { tenantId, actor } = request.principal;
        const id = fileId(request.params.id);
        const restored = await restoreFile({ database, stores }, { tenantId, id, actor });
        return reply.code(restored === "done" ? 200 : 202).send(await look(tenantId, id, request.params.id));
      },
    );

    app.get(
      "/retention",
      { schema: { summary: "How long files are kept that say nothing themselves", tags: ["files"], response: { 200: Retention } } },
      async (request) => retention(await readRetention(database, request.principal.tenantId)),
    );

    app.put(
      "/retention",
      {
        config: { role: "admin" },
        schema: {
          summary: "Say how long files are kept that say nothing themselves",
          description: "For files that are stored from now on; what is there keeps the end that it has.",
          tags: ["files"],
          body: Retention,
          response: { 200: Retention },
        },
      },
      async (request) => {
        const { tenantId, actor } = request.principal;
        const text = request.body.default;
        await setRetention(database, { tenantId, actor, keepMs: text === null ? null : parseDuration(text) });
        return retention(await readRetention(database, tenantId));
      },
    );
  };
}

function retention(keepMs: number | null): Retention {
  return { default: keepMs === null ? null : `${keepMs / 1_000}s` };
}
