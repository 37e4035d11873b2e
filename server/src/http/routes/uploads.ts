import { decodeId, encodeId } from "@filemill/contract/ids.ts";
import { UploadResource } from "@filemill/contract/uploads.ts";
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { notFound } from "../../errors.ts";
import { appendPart, checkBeforeBody, type Appended } from "../../uploads/resumable/append.ts";
import { CHECKSUM_ALGORITHMS } from "../../uploads/resumable/checksum.ts";
import { concatenate } from "../../uploads/resumable/concatenate.ts";
import { createUpload, type Created } from "../../uploads/resumable/create.ts";
import type { Finished } from "../../uploads/resumable/finish.ts";
import { createLocks } from "../../uploads/resumable/locks.ts";
import { lookAt, lookToResume } from "../../uploads/resumable/look.ts";
import { TUS_EXTENSIONS, TUS_VERSION } from "../../uploads/resumable/protocol.ts";
import type { ResumableServices } from "../../uploads/resumable/resumable.ts";
import { terminateUpload } from "../../uploads/resumable/terminate.ts";
import type { UploadRow } from "../../uploads/resumable/upload-row.ts";
import { readCreation, readPatch, requireVersion } from "../tus-requests.ts";
import type { Services } from "../services.ts";
import { noticeUpload } from "./upload.ts";

const PATH = "/api/v1/uploads";
const Id = z.object({ id: z.string() });
const Nothing = z.undefined();

/** /uploads: resumable uploads by tus 1.0.0. Bodies are streamed as they come and never parsed by Fastify. */
export function uploadsRoutes(services: Services): FastifyPluginAsync {
  const locks = createLocks(services);
  const resumable: ResumableServices = { ...services, locks };
  const begun = new WeakMap<FastifyRequest, Created>();

  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>();
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", (_request, _payload, done) => done(null));
    // A client of a process that ends goes on with another one, from all that it has sent.
    app.addHook("preClose", async () => locks.letGo());
    app.addHook("onSend", async (_request, reply) => {
      // "The Tus-Resumable header MUST be included in every request and response except for OPTIONS requests."
      reply.header("tus-resumable", TUS_VERSION);
      if (reply.statusCode === 412) reply.header("tus-version", TUS_VERSION);
    });

    app.route({
      method: "OPTIONS",
      url: "/uploads",
      config: { role: "read-only" },
      schema: {
        summary: "What is supported: tus 1.0.0 and its extensions",
        tags: ["uploads"],
        response: { 204: Nothing.describe("see the headers") },
      },
      handler: async (_request, reply) => {
        reply.headers({
          "tus-version": TUS_VERSION,
          "tus-extension": TUS_EXTENSIONS.join(","),
          "tus-max-size": services.limits.maxFileBytes,
          "tus-checksum-algorithm": CHECKSUM_ALGORITHMS.join(","),
        });
        return reply.code(204).send();
      },
    });

    app.post(
      "/uploads",
      {
        onRequest: async (request) => {
          requireVersion(request);
          const { asked, body, ...creation } = readCreation(request);
          // Before the body is asked for: "…to receive early feedback from the Server on whether it will accept the creation."
          if (body && asked.kind !== "final")
            begun.set(request, await createUpload(resumable, { ...request.principal, ...creation, ...asked }));
        },
        schema: {
          summary: "Begin a resumable upload (tus: Upload-Length or Upload-Defer-Length, Upload-Metadata, Upload-Concat)",
          description:
            "Upload-Metadata knows `filename`, `expires_at`, `pipeline` (a name or a document), `params` and `metadata` (JSON); other keys become metadata. A body with Content-Type application/offset+octet-stream is the first part. Location is where to go on.",
          tags: ["uploads"],
          response: { 201: Nothing.describe("begun; Location says where to send the bytes") },
        },
      },
      async (request, reply) => {
        const { tenantId, actor } = request.principal;
        const { described, sentMetadata, sentConcat, asked, body } = readCreation(request);
        const common = { tenantId, actor, described, sentMetadata };
        if (asked.kind === "final") {
          const { upload, finished } = await concatenate(resumable, { ...common, partials: asked.partials, sentConcat: sentConcat ?? "" });
          notice(finished);
          return await tellState(reply.code(201).header("location", urlOf(upload)), { upload }).send();
        }
        const { upload, finished } = begun.get(request) ?? (await createUpload(resumable, { ...common, ...asked, sentConcat }));
        notice(finished);
        reply.header("location", urlOf(upload));
        if (body === undefined || finished) return await tellState(reply.code(201), { upload, finished }).send();
        const part = { tenantId, uploadId: upload.id, offset: 0, length: undefined, ...body, body: request.raw };
        const appended = await appendPart(resumable, part).catch(async (error: unknown) => {
          // Whoever is told of a failure does not go on with what it has no address of.
          await terminateUpload(resumable, { tenantId, actor, id: upload.id }).catch(() => undefined);
          throw error;
        });
        notice(appended.finished);
        return await tellState(reply.code(201), appended).send();
      },
    );

    app.route({
      method: "HEAD",
      url: "/uploads/:id",
      // It may complete an upload, and makes a request that is stuck let go.
      config: { role: "user" },
      onRequest: async (request) => requireVersion(request),
      schema: { summary: "Where to go on with an upload", tags: ["uploads"], params: Id },
      handler: async (request, reply) => {
        const { tenantId } = request.principal;
        const { upload, finished } = await lookToResume(resumable, { tenantId, id: uploadId(request.params.id) });
        notice(finished);
        const { length, sentMetadata, sentConcat } = upload;
        tellState(reply, { upload, finished });
        if (length === null) reply.header("upload-defer-length", "1");
        else reply.header("upload-length", length);
        if (sentMetadata !== null) reply.header("upload-metadata", sentMetadata);
        if (sentConcat !== null) reply.header("upload-concat", sentConcat);
        // "The Server MUST prevent the client and/or proxies from caching the response."
        return reply.header("cache-control", "no-store").code(200).send();
      },
    });

    app.get(
      "/uploads/:id",
      {
        exposeHeadRoute: false,
        schema: {
          summary: "Look at a resumable upload; disturbs nobody",
          tags: ["uploads"],
          params: Id,
          response: { 200: UploadResource },
        },
      },
      async (request) => resourceOf(await lookAt(resumable, { tenantId: request.principal.tenantId, id: uploadId(request.params.id) })),
    );

    app.patch(
      "/uploads/:id",
      {
        onRequest: async (request) => {
          requireVersion(request);
          const part = readPatch(request);
          if (request.headers.expect === undefined) return;
          await checkBeforeBody(resumable, { ...part, tenantId: request.principal.tenantId, uploadId: uploadId(idOf(request)) });
        },
        schema: {
          summary: "Send the next bytes of an upload (tus: Upload-Offset, Upload-Checksum)",
          description:
            "Upload-Offset in the answer is what is durable. The answer to the last part has Filemill-File-Id and, with a pipeline, Filemill-Job-Id; or Filemill-Job-Problem, a code that says why the file that is stored has no job.",
          tags: ["uploads"],
          params: Id,
          response: { 204: Nothing.describe("stored; Upload-Offset says how much there is") },
        },
      },
      async (request, reply) => {
        const part = {
          tenantId: request.principal.tenantId,
          uploadId: uploadId(request.params.id),
          ...readPatch(request),
          body: request.raw,
        };
        const appended = await appendPart(resumable, part);
        notice(appended.finished);
        return await tellState(reply.code(204), appended).send();
      },
    );

    app.delete(
      "/uploads/:id",
      {
        onRequest: async (request) => requireVersion(request),
        schema: {
          summary: "Give an upload up; the file that a completed one became stays",
          tags: ["uploads"],
          params: Id,
          response: { 204: Nothing.describe("terminated") },
        },
      },
      async (request, reply) => {
        const { tenantId, actor } = request.principal;
        await terminateUpload(resumable, { tenantId, actor, id: uploadId(request.params.id) });
        return reply.code(204).send();
      },
    );
  };

  /** After the commit; none of it can fail the request. */
  function notice(finished: Finished | undefined): void {
    if (finished?.file) noticeUpload(services, [finished.file], finished.lanes);
  }
}

interface State {
  readonly upload: Appended["upload"] & Partial<UploadRow>;
  /** Where it is not what `upload` says any more. */
  readonly offset?: number | undefined;
  readonly expiresAt?: Date | undefined;
  readonly finished?: Finished | undefined;
}

/** What every answer says of an upload. "This header MUST be included in every PATCH response if the upload is going to expire." */
function tellState(reply: FastifyReply, state: State): FastifyReply {
  const { upload, finished } = state;
  const offset = state.offset ?? upload.offset ?? 0;
  const complete = finished !== undefined || upload.status === "completed";
  const expiresAt = state.expiresAt ?? upload.expiresAt;
  reply.header("upload-offset", offset);
  if ((!complete || upload.kind === "partial") && expiresAt) reply.header("upload-expires", expiresAt.toUTCString());
  const jobId = finished?.jobId ?? upload.jobId;
  const jobProblem = finished?.jobProblem ?? upload.jobProblem;
  if (complete && upload.kind !== "partial") reply.header("filemill-file-id", encodeId("file", upload.fileId));
  if (complete && jobId !== null) reply.header("filemill-job-id", encodeId("job", jobId));
  if (complete && jobProblem) reply.header("filemill-job-problem", jobProblem.code);
  return reply;
}

function resourceOf(upload: UploadRow): UploadResource {
  const complete = upload.status === "completed";
  return {
    id: encodeId("upload", upload.id),
    kind: upload.kind,
    status: upload.status,
    name: upload.name,
    metadata: upload.metadata,
    length: upload.length,
    offset: upload.offset,
    created_at: upload.createdAt.toISOString(),
    expires_at: complete && upload.kind !== "partial" ? null : upload.expiresAt.toISOString(),
    file_id: complete && upload.kind !== "partial" ? encodeId("file", upload.fileId) : null,
    job_id: upload.jobId === null ? null : encodeId("job", upload.jobId),
    job_problem: upload.jobProblem,
  };
}

function urlOf({ id }: UploadRow): string {
  return `${PATH}/${encodeId("upload", id)}`;
}

function idOf(request: FastifyRequest): string {
  return Id.parse(request.params).id;
}

/** A text that is no id of an upload answers as an id that is not there. */
function uploadId(text: string): string {
  const id = decodeId("upload", text);
  if (id === undefined) throw notFound("upload", text);
  return id;
}
