import type { AddressInfo } from "node:net";
import type { Client } from "@filemill/sdk/client.ts";
import type { Environment } from "../start/app.ts";
import { AppError } from "../start/app-error.ts";
import { createHttpServer } from "../start/http-server.ts";
import { followRuns } from "./follow-runs.ts";
import type { RunFigures } from "./run-figures.ts";
import type { Texts } from "./texts.ts";

export interface WorkerMetrics {
  readonly port: number;
  close(): Promise<void>;
}

interface Measured {
  readonly client: Client;
  readonly texts: Texts;
  readonly figures: RunFigures;
  readonly environment: Environment;
}

const DEFAULT_PORT = 9100;

/**
 * Serves what workers have done, at WORKER_METRICS_PORT. A worker of one job is gone when somebody asks, so its samples are
 * not its own: they are taken from the records of jobs, which the platform keeps, all of them again after a restart.
 */
export async function openWorkerMetrics({ client, texts, figures, environment }: Measured): Promise<WorkerMetrics> {
  const port = Number(environment["WORKER_METRICS_PORT"] || DEFAULT_PORT);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new AppError(`WORKER_METRICS_PORT is "${environment["WORKER_METRICS_PORT"]}"; set it to a whole number from 0 to 65535.`);
  }
  const runs = followRuns({ client, texts, figures });
  const server = createHttpServer({ errorBody: (error) => ({ error }) });
  server.get("/metrics", async (_request, reply) => {
    await runs.catchUp();
    return reply.type(figures.contentType).send(await figures.text());
  });
  try {
    await server.listen({ host: environment["HOST"] || "127.0.0.1", port });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError(`The metrics of workers can't be served: ${reason}. Set WORKER_METRICS_PORT to a free port.`, { cause });
  }
  // Listening on TCP, as it is told to.
  return { port: (server.server.address() as AddressInfo).port, close: () => server.close() };
}
