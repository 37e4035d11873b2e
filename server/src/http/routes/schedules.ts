import { Page } from "@filemill/contract/files.ts";
import { decodeId } from "@filemill/contract/ids.ts";
import { JobAccepted } from "@filemill/contract/jobs.ts";
import { NextTimes, NextTimesRequest, ScheduleName, ScheduleRequest, ScheduleResource } from "@filemill/contract/schedules.ts";
import { StorableText } from "@filemill/contract/text.ts";
import type { FastifyPluginAsync, FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { Problem } from "../../errors.ts";
import { nextTimes, nextTimesOf } from "../../jobs/schedules/next-times.ts";
import { putSchedule } from "../../jobs/schedules/put-schedule.ts";
import { runScheduleNow } from "../../jobs/schedules/run-now.ts";
import { getSchedule, pause, removeSchedule, resume } from "../../jobs/schedules/steer-schedule.ts";
import { listSchedules, scheduleResource, type ScheduleKey } from "../../jobs/schedules/store.ts";
import { decodePlace, encodePlace } from "../place-cursor.ts";
import type { Services } from "../services.ts";

/** By its name, or by the id that it keeps when it is renamed. */
const Params = z.object({
  schedule: z.union([ScheduleName, z.string().regex(/^sch_[0-9a-z]{26}$/)], { error: "must be a name or an id" }),
});
/** The document is looked at by the linter, which says more than a schema can. */
const Body = ScheduleRequest.extend({
  pipeline: z.union([StorableText, z.record(z.string(), z.unknown())], { error: "must be a name or a document" }),
});
const ListQuery = z.object({ cursor: z.string().optional(), limit: z.coerce.number().int().min(1).max(1_000).default(100) });
const CountQuery = z.object({ count: z.coerce.number().int().min(1).max(100).default(5) });
const IdempotencyHeader = z.looseObject({ "idempotency-key": z.string().min(1).max(255).optional() });

/** /schedules: jobs that are made when it is time. */
export function schedulesRoutes(services: Services): FastifyPluginAsync {
  const { database } = services;
  const steering = (request: FastifyRequest, schedule: string) => {
    const { tenantId, actor } = request.principal;
    return { tenantId, actor, key: keyOf(schedule) };
  };

  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>();

    app.get(
      "/schedules",
      {
        schema: {
          summary: "List schedules by name",
          tags: ["schedules"],
          querystring: ListQuery,
          response: { 200: Page(ScheduleResource) },
        },
      },
      async (request) => {
        const { cursor, limit } = request.query;
        const [after] = cursor === undefined ? [""] : decodePlace(cursor, z.tuple([StorableText]));
        const rows = await database.asTenant(request.principal.tenantId, (transaction) =>
          listSchedules(transaction, { limit: limit + 1, after }),
        );
        const data = rows.slice(0, limit).map(scheduleResource);
        return { data, next_cursor: rows.length > limit ? encodePlace([data.at(-1)?.name ?? ""]) : null };
      },
    );

    app.post(
      "/schedules",
      {
        schema: {
          summary: "Have a job made whenever a cron expression says so",
          tags: ["schedules"],
          body: Body,
          response: { 201: ScheduleResource },
        },
      },
      async (request, reply) => {
        const { name } = request.body;
        if (name === undefined) throw new Problem("validation_failed", "The schedule needs a name.", { issues: [NO_NAME] });
        const { tenantId, actor } = request.principal;
        const { resource } = await putSchedule(services, { tenantId, actor, request: request.body, key: { name }, mode: "new" });
        return reply.code(201).send(resource);
      },
    );

    app.post(
      "/schedules/next",
      {
        config: { role: "read-only" },
        schema: {
          summary: "Say when a cron expression comes due next, without storing anything",
          tags: ["schedules"],
          body: NextTimesRequest,
          response: { 200: NextTimes },
        },
      },
      async (request) => ({ data: await nextTimes(database, { tenantId: request.principal.tenantId, ...request.body }) }),
    );

    app.get(
      "/schedules/:schedule",
      { schema: { summary: "Look at a schedule", tags: ["schedules"], params: Params, response: { 200: ScheduleResource } } },
      async (request) => scheduleResource(await getSchedule(database, steering(request, request.params.schedule))),
    );

    app.put(
      "/schedules/:schedule",
      {
        schema: {
          summary: "Make a schedule, or replace what it runs and when",
          tags: ["schedules"],
          params: Params,
          body: Body,
          response: { 200: ScheduleResource, 201: ScheduleResource },
        },
      },
      async (request, reply) => {
        const { resource, created } = await putSchedule(services, {
          ...steering(request, request.params.schedule),
          request: request.body,
          mode: "new_or_replaced",
        });
        return reply.code(created ? 201 : 200).send(resource);
      },
    );

    app.delete(
      "/schedules/:schedule",
      {
        schema: {
          summary: "Delete a schedule; the jobs that it made stay",
          tags: ["schedules"],
          params: Params,
          response: { 204: z.undefined().describe("deleted") },
        },
      },
      async (request, reply) => {
        await removeSchedule(database, steering(request, request.params.schedule));
        return reply.code(204).send();
      },
    );

    app.post(
      "/schedules/:schedule/pause",
      { schema: { summary: "Let due times pass", tags: ["schedules"], params: Params, response: { 200: ScheduleResource } } },
      (request) => pause(database, steering(request, request.params.schedule)),
    );

    app.post(
      "/schedules/:schedule/resume",
      {
        schema: {
          summary: "Go on with the next due time; those that passed meanwhile are not made up for",
          tags: ["schedules"],
          params: Params,
          response: { 200: ScheduleResource },
        },
      },
      (request) => resume(database, steering(request, request.params.schedule)),
    );

    app.post(
      "/schedules/:schedule/run",
      {
        schema: {
          summary: "Make a job of it now, also while it is paused; its due times stay as they are",
          tags: ["schedules"],
          headers: IdempotencyHeader,
          params: Params,
          response: { 202: JobAccepted },
        },
      },
      async (request, reply) => {
        const idempotencyKey = request.headers["idempotency-key"];
        const { answer, lanes } = await runScheduleNow(services, { ...steering(request, request.params.schedule), idempotencyKey });
        if (lanes.size > 0) services.announce(lanes);
        return reply.code(202).send(answer);
      },
    );

    app.get(
      "/schedules/:schedule/next",
      {
        schema: {
          summary: "Say when a schedule comes due next, as if it were not paused",
          tags: ["schedules"],
          params: Params,
          querystring: CountQuery,
          response: { 200: NextTimes },
        },
      },
      async (request) => {
        const row = await getSchedule(database, steering(request, request.params.schedule));
        return { data: nextTimesOf(row, { now: row.now, count: request.query.count }) };
      },
    );
  };
}

const NO_NAME = { pointer: "/name", message: "is required" };

function keyOf(schedule: string): ScheduleKey {
  if (!schedule.startsWith("sch_")) return { name: schedule };
  // One that can't be decoded names nothing, as one that never was.
  return { id: decodeId("schedule", schedule) ?? "00000000-0000-0000-0000-000000000000" };
}
