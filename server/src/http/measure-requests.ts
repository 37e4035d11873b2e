import type { FastifyInstance } from "fastify";
import type { Metrics } from "../telemetry/metrics.ts";

/** Counts and times every answered request by its route's pattern; paths would make a series for every file. */
export function measureRequests(app: FastifyInstance, metrics: Metrics): void {
  app.addHook("onResponse", async (request, reply) => {
    const route = request.routeOptions.url ?? "none";
    metrics.httpAnswered({ method: request.method, route, status: reply.statusCode, seconds: reply.elapsedTime / 1_000 });
  });
}
