import type { AddressInfo } from "node:net";
import type { App, Environment } from "../start/app.ts";
import { AppError } from "../start/app-error.ts";
import { createHttpServer } from "../start/http-server.ts";
import { servePage } from "../start/page.ts";
import { serveApiMetrics } from "./api-metrics.ts";
import { openTexts } from "./open-texts.ts";
import { createJobsRoute } from "./create-jobs.ts";
import { jobsRoutes } from "./jobs.ts";
import { registryAt } from "./registry-client.ts";
import { createRegistry } from "./registry/server.ts";
import { registrySettings } from "./registry/settings.ts";
import { createRunFigures } from "./run-figures.ts";
import { openWorkerMetrics } from "./worker-metrics.ts";

/** Collects a company's filings from a registry, run by run. What it answers is fixed: see README.md. */
export const filings: App = {
  name: "filings",
  defaultPort: 5001,
  platformSettings: (environment) => ({
    // The platform goes to no address of this machine or network that is not named; port 0 is any free one.
    FILEMILL_FETCH_ALLOW: `127.0.0.1:${registrySettings(environment).port || "*"}`,
    // The port of metrics is this app's.
    FILEMILL_METRICS_PORT: "0",
  }),
  async build({ client, environment, signal }) {
    const app = createHttpServer({ errorBody: (error) => ({ error }) });
    const metrics = serveApiMetrics(app);
    const { url, close } = await openRegistry(environment);
    app.addHook("onClose", close);
    const figures = createRunFigures();
    const { texts, close: closeTexts } = openTexts({ client, figures, environment, log: app.log, signal });
    app.addHook("onClose", closeTexts);
    const workerMetrics = await openWorkerMetrics({ client, texts, figures, environment });
    app.addHook("onClose", () => workerMetrics.close());
    await servePage(app, new URL("page/", import.meta.url));
    createJobsRoute(app, { client, registry: registryAt(url), metrics, signal });
    jobsRoutes(app, { client, texts, metrics });
    return app;
  },
};

/** That of REGISTRY_URL, else one of its own. */
async function openRegistry(environment: Environment): Promise<{ url: string; close: () => Promise<void> }> {
  const named = environment["REGISTRY_URL"];
  if (named) return { url: named, close: async () => undefined };
  const settings = registrySettings(environment);
  const registry = createRegistry(settings);
  try {
    await registry.listen({ host: "127.0.0.1", port: settings.port });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const remedy = "Set REGISTRY_PORT to a free port, or REGISTRY_URL to a registry that runs.";
    throw new AppError(`The registry can't be served: ${reason}. ${remedy}`, { cause });
  }
  // Listening on TCP, as it is told to.
  const { port } = registry.server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => registry.close() };
}
