import { Page } from "@filemill/contract/files.ts";
import { decodeId } from "@filemill/contract/ids.ts";
import { TaskResource } from "@filemill/contract/jobs.ts";
import { LaneBacklog } from "@filemill/contract/workers.ts";
import { Timestamp } from "@filemill/contract/timestamp.ts";
import type { FastifyPluginAsync } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { notFound, Problem } from "../../errors.ts";
import { deadTasksByJob, laneBacklog, listDeadLetters } from "../../jobs/queries-tasks.ts";
import { retryJob } from "../../jobs/retry.ts";
import { decodePlace, encodePlace } from "../place-cursor.ts";
import { jobId } from "../job-id.ts";
import type { Services } from "../services.ts";

const DeadQuery = z.object({
  lane: z.string().optional(),
  cursor: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});
const DeadPlace = z.tuple([Timestamp, z.uuid()]);
const Redrive = z
  .strictObject({ task_ids: z.array(z.string()).min(1).max(1_000).optional(), job_id: z.string().optional() })
  .refine((body) => (body.task_ids === undefined) !== (body.job_id === undefined), "give either task_ids or job_id");

/** /admin/queues (all tenants: what an autoscaler reads) and /admin/dead-letters (the tenant's own). */
export function queuesRoutes(services: Services): FastifyPluginAsync {
  const { database } = services;
  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>();

    app.get(
      "/admin/queues",
      {
        config: { role: "operator" },
        schema: {
          summary: "Ready and running tasks a lane",
          tags: ["admin"],
          response: { 200: z.object({ data: z.array(LaneBacklog), next_cursor: z.null() }) },
        },
      },
      async () => ({ data: await laneBacklog(database), next_cursor: null }),
    );

    app.get(
      "/admin/queues/:lane",
      {
        config: { role: "operator" },
        schema: {
          summary: "Ready and running tasks of one lane; 0 where it has none",
          tags: ["admin"],
          params: z.object({ lane: z.string() }),
          response: { 200: LaneBacklog },
        },
      },
      async (request) => {
        const { lane } = request.params;
        return (await laneBacklog(database)).find((each) => each.lane === lane) ?? { lane, ready: 0, running: 0 };
      },
    );

    app.get(
      "/admin/dead-letters",
      {
        config: { role: "admin" },
        schema: { summary: "Dead tasks, the latest first", tags: ["admin"], querystring: DeadQuery, response: { 200: Page(TaskResource) } },
      },
      async (request) => {
        const { lane, cursor, limit } = request.query;
        const position = cursor === undefined ? undefined : decodePlace(cursor, DeadPlace);
        const after = position && { place: position[0], id: position[1] };
        const page = await listDeadLetters(database, { tenantId: request.principal.tenantId, limit, lane, after });
        return { data: page.data, next_cursor: page.next && encodePlace([page.next.place, page.next.id]) };
      },
    );

    app.post(
      "/admin/dead-letters/redrive",
      {
        config: { role: "admin" },
        schema: {
          summary: "Try dead tasks again: those named, or all of a job",
          tags: ["admin"],
          body: Redrive,
          response: { 200: z.object({ tasks: z.int().describe("made ready") }) },
        },
      },
      async (request) => {
        const { tenantId, actor } = request.principal;
        const { task_ids, job_id } = request.body;
        let tasks = 0;
        if (job_id !== undefined) {
          const retried = await retryJob(database, { tenantId, actor, jobId: jobId(job_id) });
          services.announce(retried.lanes);
          return { tasks: retried.tasks };
        }
        const byJob = await deadTasksByJob(database, { tenantId, taskIds: taskUuids(task_ids ?? []) });
        if (byJob.size === 0) throw new Problem("not_found", "None of these tasks is a dead task of yours.");
        for (const [job, taskIds] of byJob) {
          const retried = await retryJob(database, { tenantId, actor, jobId: job, taskIds });
          services.announce(retried.lanes);
          tasks += retried.tasks;
        }
        return { tasks };
      },
    );
  };
}

function taskUuids(ids: readonly string[]): string[] {
  return ids.map((id) => {
    const uuid = decodeId("task", id);
    if (uuid === undefined) throw notFound("task", id);
    return uuid;
  });
}
