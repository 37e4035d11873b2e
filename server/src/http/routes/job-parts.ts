import { Page } from "@filemill/contract/files.ts";
import { ItemResource, TaskResource } from "@filemill/contract/jobs.ts";
import { ItemStatus, TaskStatus } from "@filemill/contract/status.ts";
import type { FastifyPluginAsync } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { listItems } from "../../jobs/queries-items.ts";
import { listTasks } from "../../jobs/queries-tasks.ts";
import { jobId, JobParams } from "../job-id.ts";
import { decodePlace, encodePlace } from "../place-cursor.ts";
import type { Services } from "../services.ts";

const PageQuery = z.object({ cursor: z.string().optional(), limit: z.coerce.number().int().min(1).max(1_000).default(100) });
const ItemPlace = z.tuple([z.int().min(-1)]);
const TaskPlace = z.tuple([z.string().regex(/^-?\d{1,10}$/), z.uuid()]);

/** What a job consists of: its items, and the tasks that the workers got. */
export function jobPartsRoutes({ database }: Services): FastifyPluginAsync {
  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>();

    app.get(
      "/jobs/:id/items",
      {
        schema: {
          summary: "List a job's items by ordinal, with their outputs and errors",
          description:
            "From an ordinal on, or from the first. With a status, a page may be short or empty although next_cursor says that there are more to look at.",
          tags: ["jobs"],
          params: JobParams,
          querystring: PageQuery.extend({
            status: ItemStatus.optional(),
            from: z.coerce
              .number()
              .int()
              .min(0)
              .max(2 ** 31 - 1)
              .optional(),
          }),
          response: { 200: Page(ItemResource) },
        },
      },
      async (request) => {
        const { cursor, limit, status, from = 0 } = request.query;
        const [after] = cursor === undefined ? [from - 1] : decodePlace(cursor, ItemPlace);
        const job = { tenantId: request.principal.tenantId, jobId: jobId(request.params.id) };
        const page = await listItems(database, { ...job, limit, after, status });
        return { data: page.data, next_cursor: page.next === null ? null : encodePlace([page.next]) };
      },
    );

    app.get(
      "/jobs/:id/tasks",
      {
        schema: {
          summary: "List a job's tasks",
          tags: ["jobs"],
          params: JobParams,
          querystring: PageQuery.extend({ status: TaskStatus.optional() }),
          response: { 200: Page(TaskResource) },
        },
      },
      async (request) => {
        const { cursor, limit, status } = request.query;
        const position = cursor === undefined ? undefined : decodePlace(cursor, TaskPlace);
        const after = position && { place: position[0], id: position[1] };
        const job = { tenantId: request.principal.tenantId, jobId: jobId(request.params.id) };
        const page = await listTasks(database, { ...job, limit, after, status });
        return { data: page.data, next_cursor: page.next && encodePlace([page.next.place, page.next.id]) };
      },
    );
  };
}
