import { JobAccepted, JobRequest, JobResource, JobSummary } from "@filemill/contract/jobs.ts";
import { Page } from "@filemill/contract/files.ts";
import { JobStatus } from "@filemill/contract/status.ts";
import { StorableText } from "@filemill/contract/text.ts";
import { Timestamp } from "@filemill/contract/timestamp.ts";
import type { FastifyPluginAsync } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { acceptJob } from "../../jobs/accept-job.ts";
import { afterOf } from "../../jobs/dependencies/after.ts";
import { jobInputs } from "../../jobs/sources/job-inputs.ts";
import { cancelJob } from "../../jobs/cancel.ts";
import { deleteJob } from "../../jobs/delete-job.ts";
import { deleteOutputs } from "../../lifecycle/delete-outputs.ts";
import { DEFAULT_LANE } from "../../jobs/plan-pipeline.ts";
import { getJob, listJobs } from "../../jobs/queries.ts";
import { retryJob } from "../../jobs/retry.ts";
import { decodeCursor, encodeCursor } from "../cursor.ts";
import { jobId, JobParams } from "../job-id.ts";
import { metadataOf } from "../metadata-query.ts";
import type { Services } from "../services.ts";
import { jobPartsRoutes } from "./job-parts.ts";
import { jobOutputsRoutes } from "./job-outputs.ts";
import { jobProfilesRoutes } from "./job-profiles.ts";

/** Said by name, because the words are well known from elsewhere. */
const NotYet = z.never({ error: "is not available yet; leave it out" }).optional();
/** The document is looked at by the linter, which says more than a schema can. */
const JobBody = JobRequest.extend({
  pipeline: z.union([StorableText, z.record(z.string(), z.unknown())], { error: "must be a name or a document" }),
  webhook: NotYet,
});
const IdempotencyHeader = z.looseObject({ "idempotency-key": z.string().min(1).max(255).optional() });
const DeleteQuery = z.strictObject({
  outputs: z.enum(["keep", "delete"]).default("keep").describe("delete: the files that the job made go too"),
});
const ListQuery = z.looseObject({
  status: z.union([JobStatus, z.array(JobStatus)]).optional(),
  pipeline: z.string().optional(),
  created_after: Timestamp.optional(),
  created_before: Timestamp.optional(),
  cursor: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(100).default(50),
});
const DELETES_AT_ONCE = 16;

/** /jobs: order, list, look at, cancel, retry and delete; items and tasks in job-parts.ts, the zip in job-outputs.ts. */
export function jobsRoutes(services: Services): FastifyPluginAsync {
  const { database } = services;
  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>();
    await plain.register(jobPartsRoutes(services));
    await plain.register(jobOutputsRoutes(services));
    await plain.register(jobProfilesRoutes(services));

    app.post(
      "/jobs",
      {
        schema: {
          summary:
            "Run a pipeline over files, what URLs, a bucket, a container or a folder give, inputs that it generates, or the outputs of other jobs",
          tags: ["jobs"],
          headers: IdempotencyHeader,
          body: JobBody,
          response: { 202: JobAccepted },
        },
      },
      async (request, reply) => {
        const { tenantId, actor } = request.principal;
        const idempotencyKey = request.headers["idempotency-key"];
        const order = { ...request.body, ...jobInputs(request.body), after: afterOf(request.body) };
        // Before the transaction, because it may read; which lanes the job will take is not known yet, and most take this one.
        // How much a source has is not known either, nor when jobs before this one end.
        const estimatedCompletion =
          order.source || order.after
            ? null
            : await services.status.estimator.forNewJob({ lanes: [DEFAULT_LANE], items: order.inputs.length });
        const { answer, lanes } = await acceptJob(services, { ...order, tenantId, actor, idempotencyKey, estimatedCompletion });
        if (lanes.size > 0) services.announce(lanes);
        return reply.code(202).send(answer);
      },
    );

    app.get(
      "/jobs",
      {
        schema: {
          summary: "List jobs, newest first; also by metadata.<key>=<value>",
          tags: ["jobs"],
          querystring: ListQuery,
          response: { 200: Page(JobSummary) },
        },
      },
      async (request) => {
        const { status, pipeline, created_after, created_before, cursor, limit } = request.query;
        const page = await listJobs(database, {
          tenantId: request.principal.tenantId,
          filter: {
            status: status === undefined ? undefined : [status].flat(),
            pipeline,
            createdAfter: created_after,
            createdBefore: created_before,
            metadata: metadataOf(request.query),
          },
          limit,
          after: cursor === undefined ? undefined : decodeCursor(cursor),
        });
        return { data: page.data, next_cursor: page.next && encodeCursor(page.next) };
      },
    );

    app.get(
      "/jobs/:id",
      { schema: { summary: "Look at a job", tags: ["jobs"], params: JobParams, response: { 200: JobResource } } },
      (request) => getJob(database, { tenantId: request.principal.tenantId, jobId: jobId(request.params.id) }),
    );

    app.post(
      "/jobs/:id/cancel",
      {
        schema: { summary: "Stop a job; running work ends within 2 s", tags: ["jobs"], params: JobParams, response: { 200: JobResource } },
      },
      async (request) => {
        const { tenantId, actor } = request.principal;
        const job = { tenantId, jobId: jobId(request.params.id) };
        const { rest } = await cancelJob(database, { ...job, actor });
        rest.catch((error: unknown) => request.log.warn({ err: error }, "a cancelled job is not swept; workers go on with it"));
        return await getJob(database, job);
      },
    );

    app.post(
      "/jobs/:id/retry",
      { schema: { summary: "Try the dead items of a job again", tags: ["jobs"], params: JobParams, response: { 200: JobResource } } },
      async (request) => {
        const { tenantId, actor } = request.principal;
        const job = { tenantId, jobId: jobId(request.params.id) };
        const { lanes } = await retryJob(database, { ...job, actor });
        services.announce(lanes);
        return await getJob(database, job);
      },
    );

    app.delete(
      "/jobs/:id",
      {
        schema: {
          summary: "Delete a job that has ended; its output files stay, or go with it",
          tags: ["jobs"],
          params: JobParams,
          querystring: DeleteQuery,
          response: { 204: z.undefined().describe("deleted") },
        },
      },
      async (request, reply) => {
        const { tenantId, actor } = request.principal;
        const job = { tenantId, actor, jobId: jobId(request.params.id) };
        if (request.query.outputs === "delete") await deleteOutputs(services, job);
        const { objectKeys } = await deleteJob(database, job);
        for (let start = 0; start < objectKeys.length; start += DELETES_AT_ONCE) {
          await Promise.allSettled(objectKeys.slice(start, start + DELETES_AT_ONCE).map((key) => services.store.delete(key)));
        }
        return reply.code(204).send();
      },
    );
  };
}
