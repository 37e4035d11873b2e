import { FileResource, Page } from "@filemill/contract/files.ts";
import { FileStatus } from "@filemill/contract/status.ts";
import { Timestamp } from "@filemill/contract/timestamp.ts";
import type { FastifyPluginAsync } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { notFound, Problem } from "../../errors.ts";
import { readManifests } from "../../outputs/content.ts";
import { deleteFile } from "../../uploads/delete-file.ts";
import { findFile, listFiles } from "../../uploads/find-files.ts";
import { fileId } from "../file-id.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { fileResource } from "../file-answers.ts";
import { metadataOf } from "../metadata-query.ts";
import { sendContent } from "../send-content.ts";
import type { Services } from "../services.ts";
import { bulkRoutes } from "./bulk.ts";
import { uploadRoutes } from "./upload.ts";

const Id = z.object({ id: z.string() });
const ListQuery = z.looseObject({
  status: FileStatus.default("stored"),
  created_after: Timestamp.optional(),
  created_before: Timestamp.optional(),
  cursor: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

/** /files: send (routes/upload.ts), list, look at, fetch and delete. */
export function filesRoutes(services: Services): FastifyPluginAsync {
  const { database, contents } = services;
  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>();
    await plain.register(uploadRoutes(services));
    await plain.register(bulkRoutes(services));

    app.get(
      "/files",
      {
        schema: {
          summary: "List files, newest first; also by metadata.<key>=<value>",
          tags: ["files"],
          querystring: ListQuery,
          response: { 200: Page(FileResource) },
        },
      },
      async (request) => {
        const { status, created_after, created_before, cursor, limit } = request.query;
        const rows = await database.asTenant(request.principal.tenantId, (transaction) =>
          listFiles(transaction, {
            status,
            createdAfter: created_after,
            createdBefore: created_before,
            metadata: metadataOf(request.query),
            after: cursor === undefined ? undefined : decodeCursor(cursor),
            limit: limit + 1,
          }),
        );
        const data = rows.slice(0, limit);
        const last = data.at(-1);
        const more = rows.length > limit && last !== undefined;
        return { data: data.map(fileResource), next_cursor: more ? encodeCursor({ createdAt: last.created_at, id: last.id }) : null };
      },
    );

    app.get(
      "/files/:id",
      { schema: { summary: "Look at a file", tags: ["files"], params: Id, response: { 200: FileResource } } },
      async (request) => {
        const id = fileId(request.params.id);
        const row = await database.asTenant(request.principal.tenantId, (transaction) => findFile(transaction, id));
        if (row === undefined) throw notFound("file", request.params.id);
        return fileResource(row);
      },
    );

    app.delete(
      "/files/:id",
      { schema: { summary: "Delete a file", tags: ["files"], params: Id, response: { 204: z.undefined().describe("deleted") } } },
      async (request, reply) => {
        const { tenantId, actor } = request.principal;
        await deleteFile({ database, contents }, { tenantId, actor, id: fileId(request.params.id) });
        return reply.code(204).send();
      },
    );

    app.route({
      method: ["GET", "HEAD"],
      url: "/files/:id/content",
      schema: {
        summary: "Fetch a file's bytes; ranges and conditions are honoured, Repr-Digest is their sha-256",
        tags: ["files"],
        params: Id,
      },
      handler: async (request, reply) => {
        const id = fileId(request.params.id);
        const [manifest] = await database.asTenant(request.principal.tenantId, (transaction) =>
          readManifests(transaction, request.principal.tenantId, [id]),
        );
        if (manifest === undefined || manifest.origin === "intermediate") {
          await refuseQuarantined(services, request.principal.tenantId, id);
          throw notFound("file", request.params.id);
        }
        return sendContent(services, manifest, { request, reply });
      },
    });
  };
}

/** A damaged file is there, and its bytes are served to nobody: that is another answer than that there is none. */
async function refuseQuarantined({ database }: Pick<Services, "database">, tenantId: string, id: string): Promise<void> {
  const row = await database.asTenant(tenantId, (transaction) => findFile(transaction, id));
  if (row?.status !== "quarantined") return;
  throw new Problem("conflict", "The stored bytes of this file are not what was sent, so that they are not served. Send the file again.");
}
