import type { WorkerResource } from "@filemill/contract/workers.ts";
import type { Client } from "@filemill/sdk/client.ts";
import { FilemillError } from "@filemill/sdk/error.ts";
import type { FastifyInstance, FastifyReply } from "fastify";
import { MADE_BY } from "./average-job.ts";
import { fieldError, readField } from "./read-order.ts";

/** GET and POST of /workers, and what waits for them: /workers/metrics, /queues/tasks. */
export function workersRoutes(app: FastifyInstance, client: Client): void {
  app.post("/workers", async (request, reply) => {
    const count = readField(request.body, "noOfWorkers", { least: 0, most: Infinity });
    if (typeof count !== "number") return reply.code(400).send({ errors: [count] });
    try {
      const { was } = await client.admin.setWorkers(count);
      return { message: messageOf(count, was) };
    } catch (error) {
      const limit = error instanceof FilemillError && error.issues.find(({ pointer }) => pointer === "/count");
      if (!limit) return refused(reply, error);
      return reply.code(400).send({ errors: [fieldError("noOfWorkers", `noOfWorkers ${limit.message}`)] });
    }
  });

  const metrics = async () => {
    const [noOfJobsInQueue, noOfTasksInQueue, workers] = await Promise.all([
      queuedJobs(client),
      waitingTasks(client),
      client.admin.workers(),
    ]);
    const there = workers.filter(({ status }) => status === "up" || status === "draining");
    const noOfBusyProcesses = there.filter(isBusy).length;
    return { noOfJobsInQueue, noOfTasksInQueue, noOfIdleProcesses: there.length - noOfBusyProcesses, noOfBusyProcesses };
  };
  for (const path of ["/workers", "/workers/metrics"]) {
    app.get(path, (_request, reply) => metrics().catch((error: unknown) => refused(reply, error)));
  }
  const tasks = async () => ({ noOfTasks: await waitingTasks(client) });
  app.get("/queues/tasks", (_request, reply) => tasks().catch((error: unknown) => refused(reply, error)));
}

/** Somebody else runs the workers, or the app's key is no operator's: what the platform says of it helps. */
function refused(reply: FastifyReply, error: unknown): FastifyReply {
  if (!(error instanceof FilemillError) || (error.code !== "conflict" && error.code !== "forbidden")) throw error;
  return reply.code(error.status).send({ error: error.detail });
}

function messageOf(count: number, was: number): string {
  if (count === was) return `There are ${workersOf(count)} already`;
  if (count > was) return `${workersOf(count - was)} ${count - was === 1 ? "is" : "are"} started: ${count} in all`;
  return `${workersOf(was - count)} ${was - count === 1 ? "ends" : "end"} after ${was - count === 1 ? "its" : "their"} work: ${count} ${count === 1 ? "is" : "are"} left`;
}

function workersOf(count: number): string {
  return count === 1 ? "1 worker" : `${count} workers`;
}

function isBusy({ running_tasks: tasks }: WorkerResource): boolean {
  return tasks > 0;
}

/** Jobs of this app that no worker has begun. */
async function queuedJobs(client: Client): Promise<number> {
  let jobs = 0;
  for await (const _job of client.jobs.list({ status: "queued", metadata: MADE_BY, limit: 100 })) jobs += 1;
  return jobs;
}

/** Of all jobs, in all lanes: workers share them. */
async function waitingTasks(client: Client): Promise<number> {
  return (await client.admin.queues()).reduce((sum, { ready }) => sum + ready, 0);
}
