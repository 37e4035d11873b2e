import { BulkAnswer, BulkJobAccepted } from "@filemill/contract/bulk.ts";
import { FileResource, Page } from "@filemill/contract/files.ts";
import { decodeId, encodeId } from "@filemill/contract/ids.ts";
import type { FastifyPluginAsync, FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { notFound, Problem } from "../../errors.ts";
import { resolvePipeline, type PipelineRequest } from "../../jobs/pipelines/resolve.ts";
import { beginBulk } from "../../uploads/bulk/begin-bulk.ts";
import { isBulkId } from "../../record/bulk-id.ts";
import { listBulk } from "../../uploads/bulk/list-bulk.ts";
import { openArchive } from "../../uploads/bulk/open-archive.ts";
import { openVerified } from "../../uploads/bulk/verified-archive.ts";
import { claimsOf } from "../../uploads/digest-fields.ts";
import { receiveBulk, type ReceivedBulk } from "../../uploads/bulk/receive-bulk.ts";
import { MAX_BULK_JOB_FILES, submitBulk, type SubmittedBulk } from "../../uploads/bulk/submit-bulk.ts";
import { fileResource, fileSummary } from "../file-answers.ts";
import { metadataOf } from "../metadata-query.ts";
import { pipelineOf } from "../pipeline-query.ts";
import { toProblem } from "../render-error.ts";
import type { Services } from "../services.ts";

const DEFAULT_LANE = "default";
const SendQuery = z.looseObject({ pipeline: z.string().optional(), params: z.string().optional() });
const ListQuery = z.object({ cursor: z.string().optional(), limit: z.coerce.number().int().min(1).max(1_000).default(100) });
const IdempotencyHeader = z.looseObject({ "idempotency-key": z.string().min(1).max(255).optional() });

const DESCRIPTION = `The body is a tar (plain, gzip or zstd) or a zip; its first bytes say which. Regular files are stored in the order of
the archive, others are skipped and told. They are committed in batches as they come: an error says how many were stored,
and the same archive sent again with the same Idempotency-Key goes on behind them. \`pipeline\` runs one job over all files.`;

/** POST /files/bulk, and what such a request stored. */
export function bulkRoutes(services: Services): FastifyPluginAsync {
  const { database, contents, catalogue, limits, quotas } = services;
  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>();
    await app.register(async (scope) => {
      scope.removeAllContentTypeParsers();
      scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
      scope.withTypeProvider<ZodTypeProvider>().post(
        "/files/bulk",
        {
          // A tar that is packed and a tar in a coding are the same bytes.
          config: { contentCodings: ["gzip", "x-gzip", "zstd"] },
          // Before the body is asked for; how much it will unpack to is only known as it comes.
          onRequest: async (request) => refuseFull(request.principal.tenantId),
          schema: {
            summary: "Send many files as one tar or zip, and run a pipeline over them",
            description: DESCRIPTION,
            tags: ["files"],
            querystring: SendQuery,
            headers: IdempotencyHeader,
            response: { 201: BulkAnswer, 202: BulkJobAccepted },
          },
        },
        async (request, reply) => {
          const { tenantId, actor } = request.principal;
          const asked = { tenantId, metadata: metadataOf(request.query), pipeline: pipelineOf(request.query) };
          await refuseBadPipeline(tenantId, asked.pipeline);
          const begun = await beginBulk(database, { ...asked, idempotencyKey: request.headers["idempotency-key"] });
          const received = await receive(request, { ...asked, ...begun, actor });
          services.metrics.uploaded(received.newBytes);
          if (received.newFiles > 0) services.status.wake();
          if ("failure" in received) throw withWhatIsStored(received.failure, { bulkId: begun.bulkId, received });
          if (asked.pipeline === undefined) return reply.code(201).send(answerOf(begun.bulkId, received));
          const estimatedCompletion = await services.status.estimator.forNewJob({ lanes: [DEFAULT_LANE], items: received.files });
          const job = await submit({ ...asked, ...begun, actor, pipeline: asked.pipeline, estimatedCompletion }, received);
          services.announce(job.lanes);
          return reply.code(202).send({ ...answerOf(begun.bulkId, received), ...jobOf(job) });
        },
      );
    });

    app.get(
      "/files/bulk/:id",
      {
        schema: {
          summary: "List what a bulk upload stored, in the order of its archive",
          tags: ["files"],
          params: z.object({ id: z.string() }),
          querystring: ListQuery,
          response: { 200: Page(FileResource) },
        },
      },
      async (request) => {
        const { limit, cursor } = request.query;
        const bulkId = decodeId("bulk", request.params.id);
        const after = cursor === undefined ? undefined : decodeId("file", cursor);
        if (bulkId === undefined || !isBulkId(bulkId)) throw notFound("bulk upload", request.params.id);
        if (cursor !== undefined && after === undefined) throw badCursor();
        const rows = await database.asTenant(request.principal.tenantId, (transaction) =>
          listBulk(transaction, { bulkId, after: after ?? bulkId, limit: limit + 1 }),
        );
        // A bulk of which nothing was stored looks like one of somebody else's.
        if (rows.length === 0 && cursor === undefined) throw notFound("bulk upload", request.params.id);
        const data = rows.slice(0, limit).map(fileResource);
        return { data, next_cursor: rows.length > limit ? (data.at(-1)?.id ?? null) : null };
      },
    );
  };

  /** Before the archive is taken in: a million files for nothing would be a poor answer to a typing mistake. */
  async function refuseBadPipeline(tenantId: string, pipeline: PipelineRequest | undefined): Promise<void> {
    if (pipeline === undefined) return;
    await database.asTenant(tenantId, (transaction) => resolvePipeline(transaction, pipeline, catalogue));
  }

  async function refuseFull(tenantId: string): Promise<void> {
    const room = await quotas.open(tenantId);
    try {
      await room.expect({ bytes: 1, files: 1 });
    } finally {
      await room.release();
    }
  }

  async function receive(request: FastifyRequest, bulk: BulkInHand): Promise<ReceivedBulk> {
    const { maxEntries, maxTotalBytes, spoolFolder } = limits.bulk;
    // Leaving early must not destroy the request: its socket still has to carry the answer.
    const body: AsyncIterable<Buffer> = request.raw.iterator({ destroyOnReturn: false });
    const spool = { folder: spoolFolder, maxBytes: limits.maxFileBytes, maxEntries };
    const digests = claimsOf({ headers: request.headers });
    const archive = await (digests ? openVerified(body, { ...spool, digests }) : openArchive(body, spool));
    try {
      return await receiveBulk(archive, {
        ...bulk,
        database,
        contents,
        quotas,
        allowedTypes: limits.allowedTypes,
        limits: { maxFileBytes: limits.maxFileBytes, maxEntries, maxTotalBytes },
        ...(bulk.pipeline && { maxFiles: MAX_BULK_JOB_FILES }),
      });
    } finally {
      await archive.close();
    }
  }

  async function submit(job: Parameters<typeof submitBulk>[1], received: ReceivedBulk): Promise<SubmittedBulk> {
    try {
      return await submitBulk({ database, catalogue }, job);
    } catch (error) {
      throw withWhatIsStored(error, { bulkId: job.bulkId, received });
    }
  }
}

interface BulkInHand {
  readonly tenantId: string;
  readonly actor: string;
  readonly bulkId: string;
  readonly resumes: boolean;
  readonly metadata: Record<string, string>;
  readonly pipeline: PipelineRequest | undefined;
}

function answerOf(bulkId: string, { files, bytes, first, skipped }: ReceivedBulk): BulkAnswer {
  return {
    bulk_id: encodeId("bulk", bulkId),
    stored: { files, size: bytes },
    skipped: { entries: skipped.entries, first: [...skipped.first] },
    files: first.map(fileSummary),
  };
}

function jobOf({ jobId, estimatedCompletion }: SubmittedBulk) {
  return { job_id: encodeId("job", jobId), status: "queued" as const, estimated_completion: estimatedCompletion };
}

/** The error, and what was done before it. */
function withWhatIsStored(error: unknown, { bulkId, received }: { bulkId: string; received: ReceivedBulk }): Problem {
  const { code, message, issues, retryAfterSeconds } = toProblem(error);
  const id = encodeId("bulk", bulkId);
  const told =
    received.files === 0
      ? "Nothing was stored."
      : `The ${received.files} files in front of it are stored (${id}). Sent again with the same Idempotency-Key, the archive goes on behind them.`;
  return new Problem(code, `${message} ${told}`, {
    ...(issues && { issues }),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    members: { bulk_id: id, stored: { files: received.files, size: received.bytes } },
    cause: error,
  });
}

function badCursor(): Problem {
  const issues = [{ pointer: "/querystring/cursor", message: "is not a cursor of this list" }];
  return new Problem("validation_failed", "The cursor is not one of this list; begin without it.", { issues });
}
