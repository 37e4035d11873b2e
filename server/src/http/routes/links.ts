import { decodeId, encodeId } from "@filemill/contract/ids.ts";
import { LinkRequest, LinkResource, NewUploadLink, UploadLinkRequest, UploadLinkResource } from "@filemill/contract/links.ts";
import { parseDuration, parseSize } from "@filemill/contract/parse-units.ts";
import type { FastifyPluginAsync, FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { notFound, Problem } from "../../errors.ts";
import { createDownloadLink, revokeDownloadLinks } from "../../outputs/links.ts";
import { LINK_DEFAULT_MS, LINK_MAX_MS, revokeLinks } from "../../tenants/link-state.ts";
import { fileName } from "../../uploads/file-name.ts";
import { createUploadLink, revokeUploadLink } from "../../uploads/links/create-upload-link.ts";
import { findUploadLink, type UploadLinkRow } from "../../uploads/links/upload-link.ts";
import type { Services } from "../services.ts";
import { linkedRoutes } from "./linked.ts";

const Params = z.object({ id: z.string() });
const Gone = z.undefined().describe("revoked");

/** Signed links: made, looked at and revoked here, with a key; used by routes/linked.ts, without one. */
export function linksRoutes(services: Services): FastifyPluginAsync {
  const { database, limits } = services;
  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>();
    await plain.register(linkedRoutes(services));

    app.post(
      "/files/:id/link",
      {
        schema: {
          summary: "Make a link by which anybody can fetch the file for a while",
          tags: ["links"],
          params: Params,
          body: LinkRequest.nullish(),
          response: { 201: LinkResource },
        },
      },
      async (request, reply) => {
        const { tenantId, actor } = request.principal;
        const expiresInMs = expiry(request.body?.expires_in);
        const fileId = uuidOf("file", request.params.id, "file");
        const { token, expiresAt } = await createDownloadLink(services, { tenantId, actor, fileId, expiresInMs });
        reply.header("cache-control", "no-store");
        return reply.code(201).send({ url: urlOf(services, request, token), method: "GET", expires_at: expiresAt.toISOString() });
      },
    );

    app.delete(
      "/files/:id/links",
      { schema: { summary: "Revoke all links to the file", tags: ["links"], params: Params, response: { 204: Gone } } },
      async (request, reply) => {
        const { tenantId, actor } = request.principal;
        await revokeDownloadLinks(database, { tenantId, actor, fileId: uuidOf("file", request.params.id, "file") });
        return reply.code(204).send();
      },
    );

    app.post(
      "/links/uploads",
      {
        schema: {
          summary: "Make a link by which somebody can send one file",
          tags: ["links"],
          body: UploadLinkRequest.nullish(),
          response: { 201: NewUploadLink },
        },
      },
      async (request, reply) => {
        const { tenantId, actor } = request.principal;
        const { expires_in, max_size, name, media_types = [], pipeline, params, metadata = {} } = request.body ?? {};
        if (pipeline === undefined && params !== undefined) throw invalid("/params", "needs a pipeline beside it");
        const maxBytes = max_size === undefined ? limits.maxFileBytes : Math.min(parseSize(max_size), limits.maxFileBytes);
        const { id, token, expiresAt } = await createUploadLink(services, {
          ...{ tenantId, actor, maxBytes, metadata, mediaTypes: media_types },
          expiresInMs: expiry(expires_in),
          name: name === undefined ? null : fileName(name),
          pipeline: pipeline === undefined ? null : { pipeline, ...(params && { params }) },
        });
        reply.header("cache-control", "no-store");
        return reply.code(201).send({
          id: encodeId("link", id),
          url: urlOf(services, request, token),
          method: "PUT",
          max_size: maxBytes,
          expires_at: expiresAt.toISOString(),
        });
      },
    );

    app.get(
      "/links/uploads/:id",
      {
        schema: {
          summary: "Look at an upload link: is it used, and which file came?",
          tags: ["links"],
          params: Params,
          response: { 200: UploadLinkResource },
        },
      },
      async (request) => {
        const { tenantId } = request.principal;
        const id = uuidOf("link", request.params.id, "upload link");
        const row = await database.asTenant(tenantId, (transaction) => findUploadLink(transaction, tenantId, id));
        if (row === undefined) throw notFound("upload link", request.params.id);
        return resourceOf(row);
      },
    );

    app.delete(
      "/links/uploads/:id",
      { schema: { summary: "Revoke an upload link", tags: ["links"], params: Params, response: { 204: Gone } } },
      async (request, reply) => {
        const { tenantId, actor } = request.principal;
        await revokeUploadLink(database, { tenantId, actor, id: uuidOf("link", request.params.id, "upload link") });
        return reply.code(204).send();
      },
    );

    app.delete(
      "/links",
      { config: { role: "admin" }, schema: { summary: "Revoke all links of the tenant", tags: ["links"], response: { 204: Gone } } },
      async (request, reply) => {
        const { tenantId, actor } = request.principal;
        await database.asTenant(tenantId, (transaction) => revokeLinks(transaction, { tenantId, objectId: tenantId, actor }, "tenant"));
        return reply.code(204).send();
      },
    );
  };
}

function expiry(text: string | undefined): number {
  if (text === undefined) return LINK_DEFAULT_MS;
  const ms = parseDuration(text);
  if (ms < 1_000 || ms > LINK_MAX_MS) throw invalid("/expires_in", "must be from 1s to 7d");
  return ms;
}

function invalid(pointer: string, message: string): Problem {
  return new Problem("validation_failed", "The request is not valid; see issues.", { issues: [{ pointer, message }] });
}

/** A text that is no id of such a thing answers as an id that is not there. */
function uuidOf(kind: "file" | "link", text: string, what: string): string {
  const id = decodeId(kind, text);
  if (id === undefined) throw notFound(what, text);
  return id;
}

/** Where nobody said how clients reach us, as this one did. */
function urlOf({ publicUrl }: Services, request: FastifyRequest, token: string): string {
  return `${publicUrl ?? `${request.protocol}://${request.host}`}/api/v1/links/${token}`;
}

function resourceOf(row: UploadLinkRow): UploadLinkResource {
  return {
    id: encodeId("link", row.id),
    created_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt.toISOString(),
    max_size: row.maxBytes,
    name: row.name,
    media_types: [...row.mediaTypes],
    used_at: row.usedAt?.toISOString() ?? null,
    file_id: row.fileId === null ? null : encodeId("file", row.fileId),
    job_id: row.jobId === null ? null : encodeId("job", row.jobId),
  };
}
