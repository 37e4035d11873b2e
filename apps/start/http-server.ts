import { FilemillError } from "@filemill/sdk/error.ts";
import fastify, { type FastifyError, type FastifyInstance } from "fastify";
import { AppError } from "./app-error.ts";

export interface HttpServerOptions {
  /** The body of answers to what no route has foreseen: wrong JSON, no such route, the platform away. */
  readonly errorBody: (message: string) => object;
}

/** JSON bodies; what is larger is streamed past Fastify. */
const MAX_JSON_BYTES = 1 * 2 ** 20;

/**
 * The HTTP server of an app. As in the platform's API there is no limit on the whole time of a request, because an honest
 * upload over a slow line takes long; silence on a socket is limited. Errors are answered without a stack: 503 where the
 * platform is away or the app itself says that it can't go on, 500 and a line in the log for defects.
 */
export function createHttpServer({ errorBody }: HttpServerOptions): FastifyInstance {
  const app = fastify({
    logger: { level: "warn" },
    bodyLimit: MAX_JSON_BYTES,
    connectionTimeout: 120_000,
    http: { headersTimeout: 20_000, connectionsCheckingInterval: 5_000 },
    forceCloseConnections: true,
    // A wrong id of any length gets the app's own answer.
    routerOptions: { maxParamLength: 4_096 },
  });
  app.addHook("onSend", async (_request, reply) => {
    reply.header("x-content-type-options", "nosniff");
  });
  app.setNotFoundHandler(async (request, reply) => reply.code(404).send(errorBody(`There is no ${request.method} ${request.url}.`)));
  app.setErrorHandler<FastifyError | FilemillError | AppError>(async (error, request, reply) => {
    if (error instanceof AppError) {
      request.log.warn({ err: error }, "a request could not be served");
      return reply.code(503).header("retry-after", "5").send(errorBody(error.message));
    }
    if (error instanceof FilemillError) {
      request.log.warn({ code: error.code }, error.detail);
      return reply.code(503).header("retry-after", "5").send(errorBody("The platform does not answer as it should; try again soon."));
    }
    const status = error.statusCode ?? 500;
    if (status < 500) return reply.code(status).send(errorBody(error.message));
    request.log.error({ err: error }, "a request failed");
    return reply.code(500).send(errorBody("Something went wrong here; the log says what."));
  });
  return app;
}
