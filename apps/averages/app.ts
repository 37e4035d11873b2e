import type { FastifyInstance } from "fastify";
import type { App } from "../start/app.ts";
import { createHttpServer } from "../start/http-server.ts";
import { servePage } from "../start/page.ts";
import { filesRoute } from "./files.ts";
import { jobsRoutes } from "./jobs.ts";
import { validatorRoute } from "./validator.ts";
import { workersRoutes } from "./workers.ts";

/** Averages a large number of files element by element, over a tree of workers. What it answers is fixed: see README.md. */
export const averages: App = {
  name: "averages",
  defaultPort: 3000,
  async build({ client, signal }) {
    const app = createHttpServer({ errorBody: (error) => ({ error }) });
    acceptEmptyBodies(app);
    await servePage(app, new URL("page/", import.meta.url));
    jobsRoutes(app, client);
    filesRoute(app, client);
    validatorRoute(app, { client, signal });
    workersRoutes(app, client);
    return app;
  },
};

/** Clients say that they send JSON even where they send nothing. */
function acceptEmptyBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser<string>("application/json", { parseAs: "string" }, (request, body, done) => {
    if (body === "") done(null, undefined);
    else parse(request, body, done);
  });
}
