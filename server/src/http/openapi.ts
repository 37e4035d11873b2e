import swagger from "@fastify/swagger";
import reference from "@scalar/fastify-api-reference";
import type { FastifyInstance } from "fastify";
import { jsonSchemaTransform } from "fastify-type-provider-zod";

/**
 * OpenAPI 3.1 at /openapi.json, made from the schemas of the routes, and a browser for it at /docs, whose assets are
 * served from here. Has to be registered before the routes that it describes.
 */
export async function describeApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Filemill", version: "1", description: "Files in, a pipeline's results out." },
      components: { securitySchemes: { key: { type: "http", scheme: "bearer", description: "An API key, fml_…" } } },
      security: [{ key: [] }],
    },
    transform: jsonSchemaTransform,
  });
  app.get("/openapi.json", { schema: { hide: true }, config: { basic: true } }, () => app.swagger());
  await app.register(reference, {
    routePrefix: "/docs",
    // Nothing of the page may talk to anybody but us.
    configuration: {
      url: "/openapi.json",
      theme: "default",
      telemetry: false,
      withDefaultFonts: false,
      agent: { disabled: true },
      mcp: { disabled: true },
    },
  });
}
