import { decodeId } from "@filemill/contract/ids.ts";
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { notFound, Problem } from "../../errors.ts";
import { decodePosition, type Position } from "../../status/position.ts";
import type { Services } from "../services.ts";

const Headers = z.looseObject({ "last-event-id": z.string().optional().describe("the id of the last event that arrived") });
/** A browser's EventSource can't set the header at its first connection. */
const Query = z.object({ last_event_id: z.string().optional() });

/** Server-sent events: of one job until it has ended, and of the whole tenant. */
export function eventsRoutes(services: Services): FastifyPluginAsync {
  const { streams } = services.status;
  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>();
    // Streams have no end of their own, and close() waits for every answer.
    app.addHook("preClose", async () => streams.close());

    app.get(
      "/jobs/:id/events",
      {
        // A HEAD would hold a stream that nobody reads.
        exposeHeadRoute: false,
        schema: {
          summary: "Follow a job live (server-sent events); replays from Last-Event-ID, else from its start",
          tags: ["jobs"],
          params: z.object({ id: z.string() }),
          headers: Headers,
          querystring: Query,
        },
      },
      async (request, reply) => {
        const jobId = decodeId("job", request.params.id);
        if (jobId === undefined) throw notFound("job", request.params.id);
        await stream(request, reply, jobId);
      },
    );

    app.get(
      "/events",
      {
        exposeHeadRoute: false,
        schema: {
          summary: "Follow everything that happens (server-sent events); replays from Last-Event-ID, else from now on",
          tags: ["events"],
          headers: Headers,
          querystring: Query,
        },
      },
      (request, reply) => stream(request, reply, undefined),
    );
  };

  async function stream(
    request: FastifyRequest<{ Querystring: z.infer<typeof Query> }>,
    reply: FastifyReply,
    jobId: string | undefined,
  ): Promise<void> {
    const from = positionOf(request.headers["last-event-id"]?.toString() ?? request.query.last_event_id);
    await streams.open({ tenantId: request.principal.tenantId, jobId, from, begin: () => begin(request, reply) });
  }
}

function begin(request: FastifyRequest, reply: FastifyReply) {
  reply.hijack();
  reply.raw.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    // nginx and its kin would collect events before they pass them on.
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
    "x-request-id": request.id,
  });
  reply.raw.flushHeaders();
  return reply.raw;
}

function positionOf(lastEventId: string | undefined): Position | undefined {
  if (lastEventId === undefined || lastEventId === "") return undefined;
  const position = decodePosition(lastEventId);
  if (position) return position;
  throw new Problem("validation_failed", "Last-Event-ID is not the id of an event; leave it out to start again.", {
    issues: [{ pointer: "/headers/last-event-id", message: "is not the id of an event" }],
  });
}
