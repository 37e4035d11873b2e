import type { FastifyInstance } from "fastify";
import { Counter, Histogram, Registry } from "prom-client";

/** What this app's own endpoints do: GET /metrics. */
export interface ApiMetrics {
  created(numJobs: number): void;
  creationFailed(): void;
  /** Runs an operation on the platform, which holds this app's records, and counts it. */
  timed<T>(operation: string, work: () => Promise<T>): Promise<T>;
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Operations that write; a failed one counts as a failed write. */
const WRITES: ReadonlySet<string> = new Set(["create_job"]);

/** Serves GET /metrics and counts every request to the app. */
export function serveApiMetrics(app: FastifyInstance): ApiMetrics {
  const registers = [new Registry()] as const;
  const requests = new Counter({
    name: "requests_total",
    help: "requests answered",
    labelNames: ["method", "route", "status"],
    registers: [...registers],
  });
  const durations = new Histogram({
    ...{ name: "request_duration_seconds", help: "from request to answer", labelNames: ["method", "route"], buckets: SECONDS },
    registers: [...registers],
  });
  const created = new Counter({
    name: "jobs_created_total",
    help: "jobs created, by how many were asked for",
    labelNames: ["num_jobs"],
    registers: [...registers],
  });
  const creationFailures = new Counter({
    name: "jobs_created_failures_total",
    help: "requests that could not create all jobs",
    registers: [...registers],
  });
  const writeFailures = new Counter({
    name: "db_write_failures_total",
    help: "records that could not be written",
    registers: [...registers],
  });
  const operations = new Counter({
    name: "db_operations_total",
    help: "operations on records",
    labelNames: ["operation"],
    registers: [...registers],
  });
  const operationDurations = new Histogram({
    ...{ name: "db_operation_duration_seconds", help: "of an operation on records", labelNames: ["operation"], buckets: SECONDS },
    registers: [...registers],
  });

  app.addHook("onResponse", async (request, reply) => {
    // Paths that no route has are one label, or anybody could make any number of them.
    const labels = { method: request.method, route: request.routeOptions.url ?? "none" };
    requests.inc({ ...labels, status: reply.statusCode });
    durations.observe(labels, reply.elapsedTime / 1_000);
  });
  app.get("/metrics", async (_request, reply) => reply.type(registers[0].contentType).send(await registers[0].metrics()));

  return {
    created: (numJobs) => created.inc({ num_jobs: numJobs }, numJobs),
    creationFailed: () => creationFailures.inc(),
    async timed(operation, work) {
      const end = operationDurations.startTimer({ operation });
      operations.inc({ operation });
      try {
        return await work();
      } catch (error) {
        if (WRITES.has(operation)) writeFailures.inc();
        throw error;
      } finally {
        end();
      }
    },
  };
}
