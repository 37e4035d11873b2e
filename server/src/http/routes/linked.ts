import { JobAccepted } from "@filemill/contract/jobs.ts";
import { UploadAnswer } from "@filemill/contract/files.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import type { FastifyPluginAsync, FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { Problem } from "../../errors.ts";
import { openDownloadLink } from "../../outputs/links.ts";
import { claimsOf } from "../../uploads/digest-fields.ts";
import { freeChunk } from "../../free-chunk.ts";
import { openUploadLink, type OpenUploadLink } from "../../uploads/links/open-upload-link.ts";
import { linkUsed, receiveByLink } from "../../uploads/links/receive-by-link.ts";
import { tooLarge } from "../../uploads/receive.ts";
import type { Services } from "../services.ts";
import { reserveRoom } from "../reserve-room.ts";
import { sendContent } from "../send-content.ts";
import { answerTo, idempotencyKey, IdempotencyHeader, leaveBodies, noticeUpload } from "./upload.ts";

const Params = z.object({ token: z.string() });

/** What signed links are for: fetching a file and sending one, by whoever has the link. */
export function linkedRoutes(services: Services): FastifyPluginAsync {
  return async (plain) => {
    plain.withTypeProvider<ZodTypeProvider>().route({
      method: ["GET", "HEAD"],
      url: "/links/:token",
      config: { open: true },
      schema: { summary: "Fetch the file that the link is for; no key is needed", tags: ["links"], params: Params, security: [] },
      handler: async (request, reply) => {
        const manifest = await openDownloadLink(services, request.params.token);
        if (manifest === undefined) throw noSuchLink();
        return sendContent(services, manifest, { request, reply });
      },
    });

    await plain.register(async (scope) => {
      leaveBodies(scope, "*");
      const opened = new WeakMap<FastifyRequest, OpenUploadLink>();
      /** Links by which a file comes now; a second one beside it would only be thrown away in the end. */
      const busy = new Set<string>();

      scope.withTypeProvider<ZodTypeProvider>().put(
        "/links/:token",
        {
          config: { open: true },
          // Before the body is asked for.
          onRequest: async (request, reply) => {
            const { token } = Params.parse(request.params);
            const link = await openUploadLink(services, token);
            if (link === undefined) throw noSuchLink();
            // With its key a repetition is given the answer of the first, for which its content has to be seen.
            if (link.row.usedAt !== null && idempotencyKey(request) === undefined) throw linkUsed();
            if (Number(request.headers["content-length"] ?? 0) > link.claims.max) throw tooLarge(link.claims.max);
            opened.set(request, link);
            request.principal = { tenantId: link.row.tenantId, actor: encodeId("link", link.row.id), role: "user" };
            await reserveRoom(services.quotas, [request, reply], { overheadBytes: 0 });
          },
          schema: {
            summary: "Send the one file that the link takes; no key is needed",
            tags: ["links"],
            params: Params,
            querystring: z.looseObject({ name: z.string().optional().describe("of the file, where the link gives it none") }),
            headers: IdempotencyHeader,
            response: { 201: UploadAnswer, 202: JobAccepted },
            security: [],
          },
        },
        async (request, reply) => {
          const link = opened.get(request);
          if (link === undefined) throw noSuchLink();
          const { id } = link.row;
          if (busy.has(id)) {
            throw new Problem("conflict", "A file is coming by this link at this moment. Wait for it to end.", { retryAfterSeconds: 1 });
          }
          busy.add(id);
          try {
            const length = request.headers["content-length"];
            const digests = claimsOf({ headers: request.headers, trailers: () => request.raw.trailers });
            const { body, lanes, file, status } = await receiveByLink<UploadAnswer | JobAccepted>(services, request.raw, {
              link,
              name: request.query.name,
              idempotencyKey: idempotencyKey(request),
              allowedTypes: services.limits.allowedTypes,
              release: freeChunk,
              ...(length !== undefined && { expectedBytes: Number(length) }),
              ...(digests && { digests }),
              ...(request.reservation && { reservation: request.reservation }),
              answer: (received, job) => answerTo([received], { job, estimated: null }),
            });
            noticeUpload(services, [file], lanes);
            return await reply.code(status === 202 ? 202 : 201).send(body);
          } finally {
            busy.delete(id);
          }
        },
      );
    });
  };
}

/** The same for every reason, so that nobody learns from it which part of a link is right. */
function noSuchLink(): Problem {
  return new Problem("not_found", "There is no such link, or it has ended. Ask whoever gave it to you for another.");
}
