import { Readable } from "node:stream";
import type { FileSummary } from "@filemill/contract/files.ts";
import type { JobResource } from "@filemill/contract/jobs.ts";
import type { Client } from "@filemill/sdk/client.ts";
import type { FastifyInstance } from "fastify";
import { FILES_STEP, findJob, RESULT_STEP } from "./average-job.ts";
import { unknownJob } from "./jobs.ts";
import { linearFiles } from "./linear-files.ts";

const NUMBERS = /^numbers-(0|[1-9]\d{0,8})\.txt$/;

/** GET of the paths that jobs and the validator name. */
export function filesRoute(app: FastifyInstance, client: Client): void {
  app.get<{ Params: { id: string; name: string } }>("/files/:id/:name", async (request, reply) => {
    const { id, name } = request.params;
    const job = await findJob(client, id);
    if (job === undefined) return unknownJob(reply, id);
    const file = await findFile(client, job, name);
    if (file === undefined) return reply.code(404).send({ error: `File ${name} of job ${id} not found` });
    const { body } = await client.files.content(file.id);
    return reply
      .headers({ "content-type": "text/plain; charset=utf-8", "content-length": file.size, etag: `"${file.sha256}"` })
      .send(body ? Readable.fromWeb(body) : Buffer.alloc(0));
  });
}

async function findFile(client: Client, job: JobResource, name: string): Promise<FileSummary | undefined> {
  if (name === "final.txt") return job.output_files.find(({ step }) => step === RESULT_STEP);
  if (name === "linear.txt") {
    for await (const file of linearFiles(client, job.id)) return file;
    return undefined;
  }
  const [, ordinal] = NUMBERS.exec(name) ?? [];
  if (ordinal === undefined) return undefined;
  const { data } = await client.jobs.items(job.id, { from: Number(ordinal), limit: 1 }).page();
  const [item] = data;
  return item?.ordinal === Number(ordinal) ? item.outputs.find(({ step }) => step === FILES_STEP) : undefined;
}
