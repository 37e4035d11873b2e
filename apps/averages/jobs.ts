import { randomInt } from "node:crypto";
import { Readable } from "node:stream";
import type { JobSummary } from "@filemill/contract/jobs.ts";
import type { Client } from "@filemill/sdk/client.ts";
import { FilemillError } from "@filemill/sdk/error.ts";
import type { FastifyInstance, FastifyReply } from "fastify";
import { findJob, MADE_BY, PIPELINE } from "./average-job.ts";
import { linearFiles } from "./linear-files.ts";
import { readOrder } from "./read-order.ts";
import { writeJob, writeJobs, type Paths } from "./write-jobs.ts";

const JSON_TYPE = "application/json; charset=utf-8";
/** Random to people, and the same files again where the job's parameters are used again. */
const MAX_SEED = 2 ** 47;

/** POST, GET and DELETE of /jobs. */
export function jobsRoutes(app: FastifyInstance, client: Client): void {
  app.post("/jobs", async (request, reply) => {
    const order = readOrder(request.body);
    if ("errors" in order) return reply.code(400).send(order);
    const { noOfFiles, noOfEntriesPerFile } = order;
    const accepted = await client.jobs.submit({
      pipeline: PIPELINE,
      source: { kind: "generate", count: noOfFiles },
      params: { columns: noOfEntriesPerFile, seed: randomInt(MAX_SEED) },
      metadata: { ...MADE_BY, noOfFiles: String(noOfFiles), noOfEntriesPerFile: String(noOfEntriesPerFile) },
    });
    return sendText(reply.code(201), writeJob(await client.jobs.get(accepted.job_id)));
  });

  app.get<{ Querystring: { paths?: string } }>("/jobs", async (request, reply) => {
    const paths: Paths = request.query.paths === "none" ? "none" : "all";
    const jobs = client.jobs.list({ metadata: MADE_BY, limit: 100 });
    return sendText(reply, writeJobs(await begun(jobs), paths));
  });

  app.get<{ Params: { id: string } }>("/jobs/:id", async (request, reply) => {
    const job = await findJob(client, request.params.id);
    return job === undefined ? unknownJob(reply, request.params.id) : sendText(reply, writeJob(job));
  });

  app.delete<{ Params: { id: string } }>("/jobs/:id", async (request, reply) => {
    const job = await findJob(client, request.params.id);
    if (job === undefined) return unknownJob(reply, request.params.id);
    try {
      await deleteAll(client, job);
    } catch (error) {
      // Somebody deleted it at the same time, or a file of it is under a legal hold.
      if (error instanceof FilemillError && error.code === "not_found") return unknownJob(reply, job.id);
      if (error instanceof FilemillError && error.code === "conflict") return reply.code(409).send({ error: error.detail });
      throw error;
    }
    return reply.code(204).send();
  });
}

export function unknownJob(reply: FastifyReply, id: string): FastifyReply {
  return reply.code(404).send({ error: `Job ${id} not found` });
}

/** The job last: broken off anywhere, it is still there to be deleted again. */
async function deleteAll(client: Client, { id, status }: JobSummary): Promise<void> {
  if (status === "queued" || status === "running") await cancelUnlessEnded(client, id);
  for await (const file of linearFiles(client, id)) await client.files.remove(file.id);
  await client.jobs.remove(id, { outputs: "delete" });
}

async function cancelUnlessEnded(client: Client, id: string): Promise<void> {
  try {
    await client.jobs.cancel(id);
  } catch (error) {
    // It has just ended by itself.
    if (!(error instanceof FilemillError && error.code === "conflict")) throw error;
  }
}

/** With its first element read already: a platform that is away is told as such, not by an answer that breaks off. */
async function begun<Value>(values: AsyncIterable<Value>): Promise<AsyncIterable<Value>> {
  const iterator = values[Symbol.asyncIterator]();
  const first = await iterator.next();
  return (async function* () {
    if (first.done === true) return;
    yield first.value;
    yield* { [Symbol.asyncIterator]: () => iterator };
  })();
}

function sendText(reply: FastifyReply, pieces: Iterable<string> | AsyncIterable<string>): FastifyReply {
  return reply.type(JSON_TYPE).send(Readable.from(pieces));
}
