import { JobAccepted } from "@filemill/contract/jobs.ts";
import { ExpiresAt, UploadAnswer } from "@filemill/contract/files.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import type { Answer } from "../../jobs/idempotency.ts";
import type { SubmittedJob } from "../../jobs/submission.ts";
import { acceptForm } from "../../uploads/accept-form.ts";
import { commitUpload } from "../../uploads/commit.ts";
import { claimsOf } from "../../uploads/digest-fields.ts";
import { fileName } from "../../uploads/file-name.ts";
import { freeChunk } from "../../free-chunk.ts";
import { receiveFile, tooLarge } from "../../uploads/receive.ts";
import type { StoredFile } from "../../record/files.ts";
import { fileSummary } from "../file-answers.ts";
import { metadataOf } from "../metadata-query.ts";
import { reserveRoom } from "../reserve-room.ts";
import type { Services } from "../services.ts";

type Body = UploadAnswer | JobAccepted;

/** Where a step goes that names no lane; what most jobs wait in. */
const DEFAULT_LANE = "default";

/** Room for the fields and part headers of a form, beside its files. */
const FORM_OVERHEAD_BYTES = 4 * 2 ** 20;

/** POST /files and PUT /files/{name}. Bodies are streamed as they come and never parsed by Fastify. */
export function uploadRoutes(services: Services): FastifyPluginAsync {
  const { limits, contents, quotas } = services;
  return async (app) => {
    await app.register(async (scope) => {
      leaveBodies(scope, "multipart/form-data");
      const maxBytes = limits.maxFileBytes * limits.maxFilesPerRequest + FORM_OVERHEAD_BYTES;
      scope.withTypeProvider<ZodTypeProvider>().post(
        "/files",
        {
          onRequest: async (request, reply) => {
            refuseTooLong(request, maxBytes, limits.maxFileBytes);
            await reserveRoom(quotas, [request, reply], { overheadBytes: FORM_OVERHEAD_BYTES });
          },
          schema: {
            summary: "Send files as multipart/form-data, and run a pipeline over them",
            description:
              "Parts named `file`; optional fields `pipeline` (a name, or a document as JSON), `params` and `metadata` (JSON), `expires_at`. 202 with a pipeline, else 201. Of a path in a file name only the last part is kept. A part's Content-Digest and Repr-Digest are checked.",
            consumes: ["multipart/form-data"],
            tags: ["files"],
            headers: IdempotencyHeader,
            response: { 201: UploadAnswer, 202: JobAccepted },
          },
        },
        async (request, reply) => {
          const { tenantId, actor } = request.principal;
          const room = request.reservation && { reservation: request.reservation };
          const { headers } = request;
          // Most forms come without a length, and none of those is hashed for a trailer that nobody has announced.
          const digests = claimsOf({ headers, ...(headers.trailer !== undefined && { trailers: () => request.raw.trailers }) });
          const form = await acceptForm(request.raw, contents, { tenantId, headers, digests, ...limits, ...room });
          const estimated =
            form.pipeline === undefined
              ? null
              : await services.status.estimator.forNewJob({ lanes: [DEFAULT_LANE], items: form.files.length });
          const { status, body, lanes } = await commitUpload<Body>(services, {
            ...form,
            ...room,
            tenantId,
            actor,
            idempotencyKey: idempotencyKey(request),
            answer: (job) => answerTo(form.files, { job, estimated }),
          });
          noticeUpload(services, form.files, lanes);
          return reply.code(status === 202 ? 202 : 201).send(body);
        },
      );
    });

    await app.register(async (scope) => {
      leaveBodies(scope, "*");
      scope.withTypeProvider<ZodTypeProvider>().put(
        "/files/:name",
        {
          onRequest: async (request, reply) => {
            refuseTooLong(request, limits.maxFileBytes, limits.maxFileBytes);
            await reserveRoom(quotas, [request, reply], { overheadBytes: 0 });
          },
          schema: {
            summary: "Send one file as the body, as curl -T does",
            description:
              "The name is kept as it is. metadata.<key>=<value> in the query adds metadata, expires_at a time when the file ends. Content-Digest and Repr-Digest (sha-256, sha-512) are checked, also as trailers.",
            tags: ["files"],
            params: z.object({ name: z.string() }),
            querystring: z.looseObject({ expires_at: ExpiresAt.optional() }),
            headers: IdempotencyHeader,
            response: { 201: UploadAnswer },
          },
        },
        async (request, reply) => {
          const { tenantId, actor } = request.principal;
          const length = request.headers["content-length"];
          const digests = claimsOf({ headers: request.headers, trailers: () => request.raw.trailers });
          const room = request.reservation && { reservation: request.reservation };
          const file = await receiveFile(request.raw, {
            contents,
            tenantId,
            name: fileName(request.params.name),
            metadata: metadataOf(request.query),
            ...(request.query.expires_at !== undefined && { expiresAt: new Date(request.query.expires_at) }),
            maxBytes: limits.maxFileBytes,
            allowedTypes: limits.allowedTypes,
            release: freeChunk,
            ...(length !== undefined && { expectedBytes: Number(length) }),
            ...(digests && { digests }),
            ...room,
          });
          const { body, lanes } = await commitUpload<UploadAnswer>(services, {
            files: [file],
            metadata: {},
            ...room,
            tenantId,
            actor,
            idempotencyKey: idempotencyKey(request),
            answer: () => ({ status: 201, body: { files: [fileSummary(file)] } }),
          });
          noticeUpload(services, [file], lanes);
          return reply.code(201).send(body);
        },
      );
    });
  };
}

export const IdempotencyHeader = z.looseObject({ "idempotency-key": z.string().min(1).max(255).optional() });

export function idempotencyKey(request: FastifyRequest): string | undefined {
  const key = request.headers["idempotency-key"];
  return typeof key === "string" ? key : undefined;
}

/** No parser but one that leaves the body where it is. */
export function leaveBodies(scope: FastifyInstance, contentType: string): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser(contentType, (_request, _payload, done) => done(null));
}

/** Before the body is asked for. A body without Content-Length is counted as it comes. */
function refuseTooLong(request: FastifyRequest, maxBytes: number, maxFileBytes: number): void {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) throw tooLarge(maxFileBytes);
}

/** After the commit; none of it can fail the request. */
export function noticeUpload(services: Services, files: readonly StoredFile[], lanes: ReadonlySet<string>): void {
  services.metrics.uploaded(files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  services.status.wake();
  if (lanes.size > 0) services.announce(lanes);
}

export function answerTo(
  files: readonly StoredFile[],
  { job, estimated }: { job: SubmittedJob | undefined; estimated: Date | null },
): Answer<Body> {
  const summaries = files.map(fileSummary);
  if (job === undefined) return { status: 201, body: { files: summaries } };
  const estimated_completion = estimated?.toISOString() ?? null;
  return { status: 202, body: { job_id: encodeId("job", job.jobId), status: "queued", estimated_completion, files: summaries } };
}
