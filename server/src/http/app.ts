import { randomUUID } from "node:crypto";
import fastify, { type FastifyBaseLogger, type FastifyInstance } from "fastify";
import { serializerCompiler, validatorCompiler } from "fastify-type-provider-zod";
import { createBadRequests } from "./bad-requests.ts";
import { authenticate } from "./authenticate.ts";
import { readBodies } from "./bodies.ts";
import { checkQueries } from "./check-queries.ts";
import { describeApi } from "./openapi.ts";
import { parseJsonBodies } from "./json-bodies.ts";
import { renderErrors, renderFrameworkError } from "./render-error.ts";
import { measureRequests } from "./measure-requests.ts";
import { overrideMethod } from "./method-override.ts";
import { decorateWithReservations } from "./reserve-room.ts";
import { adminRoutes } from "./routes/admin.ts";
import { eventsRoutes } from "./routes/events.ts";
import { fileLifeRoutes } from "./routes/file-life.ts";
import { filesRoutes } from "./routes/files.ts";
import { jobsRoutes } from "./routes/jobs.ts";
import { keysRoutes } from "./routes/keys.ts";
import { linksRoutes } from "./routes/links.ts";
import { lineageRoutes } from "./routes/lineage.ts";
import { pipelinesRoutes } from "./routes/pipelines.ts";
import { processorsRoutes } from "./routes/processors.ts";
import { queuesRoutes } from "./routes/queues.ts";
import { schedulesRoutes } from "./routes/schedules.ts";
import { scrubRoutes } from "./routes/scrub.ts";
import { systemRoutes } from "./routes/system.ts";
import { uploadsRoutes } from "./routes/uploads.ts";
import { usageRoutes } from "./routes/usage.ts";
import type { Services } from "./services.ts";

export interface AppOptions {
  /** Sockets on which no byte moves for so long are closed, ms; two minutes unless told. */
  readonly idleTimeoutMs?: number;
  /** Told of every route as it is registered: for those who walk them all. */
  readonly onRoute?: (route: { method: string | string[]; url: string }) => void;
}

/** JSON bodies only; files are streamed and have limits of their own. */
const MAX_JSON_BYTES = 8 * 2 ** 20;
const HEADERS_TIMEOUT_MS = 20_000;

/**
 * The API as a Fastify instance that does not listen yet. Routes under /api/v1, /openapi.json and /docs ask for a key.
 *
 * There is no limit on the whole time of a request, because an honest upload over a slow line may take an hour: what is
 * limited is the time to send the headers, and silence on the socket.
 */
export async function buildApp(services: Services, options: AppOptions = {}): Promise<FastifyInstance> {
  const badRequests = createBadRequests();
  const app = fastify({
    // Fastify's own, narrower type: with pino's in its place, every plugin would have to name it.
    loggerInstance: services.log satisfies FastifyBaseLogger as FastifyBaseLogger,
    logController: new fastify.LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    bodyLimit: MAX_JSON_BYTES,
    requestTimeout: 0,
    rewriteUrl: overrideMethod,
    connectionTimeout: options.idleTimeoutMs ?? 120_000,
    http: { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: 5_000 },
    // Names of files are path parameters; Fastify's 100 characters are less than 255 percent-encoded ones.
    routerOptions: { maxParamLength: 4_096 },
    forceCloseConnections: "idle",
    frameworkErrors: renderFrameworkError,
    clientErrorHandler: badRequests.answer,
  });
  const { onRoute } = options;
  if (onRoute) app.addHook("onRoute", ({ method, url }) => onRoute({ method, url }));
  badRequests.watch(app.server);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  renderErrors(app);
  authenticate(app, services.database);
  app.addHook("onSend", async (request, reply) => {
    reply.header("x-request-id", request.id);
    reply.header("x-content-type-options", "nosniff");
  });
  readBodies(app);
  decorateWithReservations(app);
  parseJsonBodies(app);
  checkQueries(app);
  measureRequests(app, services.metrics);
  await describeApi(app);
  await app.register(systemRoutes(services));
  const versioned = [
    filesRoutes,
    uploadsRoutes,
    linksRoutes,
    lineageRoutes,
    jobsRoutes,
    pipelinesRoutes,
    schedulesRoutes,
    processorsRoutes,
    queuesRoutes,
    eventsRoutes,
    fileLifeRoutes,
    usageRoutes,
    scrubRoutes,
    adminRoutes,
    keysRoutes,
  ];
  for (const routes of versioned) await app.register(routes(services), { prefix: "/api/v1" });
  return app;
}
