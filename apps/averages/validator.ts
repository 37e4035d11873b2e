import { Readable } from "node:stream";
import type { JobResource, OutputFile } from "@filemill/contract/jobs.ts";
import type { Client } from "@filemill/sdk/client.ts";
import { FilemillError } from "@filemill/sdk/error.ts";
import type { FastifyInstance } from "fastify";
import { averageJob, FILES_STEP, findJob, RESULT_STEP } from "./average-job.ts";
import { unknownJob } from "./jobs.ts";
import { createLinearAverage } from "./linear-average.ts";
import { linearFiles, linearMark } from "./linear-files.ts";

export interface Validation {
  readonly isSame: boolean;
  readonly outputBySystemFilePath: string;
  readonly linearFilePath: string;
}

/** Files read at the same time. */
const AT_ONCE = 8;
const PAGE = 1_000;
/** What the pipeline makes unless told otherwise. */
const RANGE = { least: 1, most: 100 };

/** POST /jobs/:id/linear-validator: is the result what one pass over all files gives? */
export function validatorRoute(app: FastifyInstance, { client, signal }: { client: Client; signal: AbortSignal }): void {
  /** A job that two ask about at once is recomputed once. */
  const running = new Map<string, Promise<Validation>>();

  app.post<{ Params: { id: string } }>("/jobs/:id/linear-validator", async (request, reply) => {
    const job = await findJob(client, request.params.id);
    if (job === undefined) return unknownJob(reply, request.params.id);
    if (job.status !== "completed") return reply.code(409).send({ error: `Job ${job.id} has no result to validate: it is ${job.status}` });
    let validation = running.get(job.id);
    if (validation === undefined) {
      validation = validate(client, job, signal).finally(() => running.delete(job.id));
      running.set(job.id, validation);
    }
    try {
      return await validation;
    } catch (error) {
      if (!(error instanceof RangeError) && !(error instanceof FilemillError && error.code === "not_found")) throw error;
      return reply.code(409).send({ error: `The files of job ${job.id} are not what it has made: ${error.message}` });
    }
  });
}

async function validate(client: Client, job: JobResource, signal: AbortSignal): Promise<Validation> {
  const expected = await averageOf(client, job, signal);
  const result = job.output_files.find(({ step }) => step === RESULT_STEP);
  const isSame = result !== undefined && (await isEqual(client, result, expected));
  const before = await Array.fromAsync(linearFiles(client, job.id));
  await client.files.put({ name: "linear.txt", content: new Blob([expected]) }, { metadata: linearMark(job.id), signal });
  for (const file of before) await client.files.remove(file.id);
  return { isSame, outputBySystemFilePath: `/files/${job.id}/final.txt`, linearFilePath: `/files/${job.id}/linear.txt` };
}

async function averageOf(client: Client, job: JobResource, signal: AbortSignal): Promise<Buffer> {
  const asked = averageJob(job);
  if (asked === undefined) throw new RangeError(`"${job.id}" is no job of this app`);
  const average = createLinearAverage(asked.noOfEntriesPerFile, RANGE);
  let files = 0;
  const waiting = generatedFiles(client, job.id);
  const read = async () => {
    for await (const file of waiting) {
      files += 1;
      await average.add(file.name, await contentOf(client, file, signal));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, read));
  if (files !== asked.noOfFiles) throw new RangeError(`"${job.id}" has ${files} files, not ${asked.noOfFiles}`);
  return Buffer.from(average.text());
}

async function* generatedFiles(client: Client, jobId: string): AsyncGenerator<OutputFile> {
  for await (const { outputs } of client.jobs.items(jobId, { limit: PAGE })) {
    yield* outputs.filter(({ step }) => step === FILES_STEP);
  }
}

async function isEqual(client: Client, result: OutputFile, expected: Buffer): Promise<boolean> {
  let place = 0;
  for await (const bytes of await contentOf(client, result)) {
    if (!expected.subarray(place, place + bytes.length).equals(bytes)) return false;
    place += bytes.length;
  }
  return place === expected.length;
}

async function contentOf(client: Client, file: OutputFile, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  const { body } = await client.files.content(file.id, { signal });
  return body ? Readable.fromWeb(body) : Readable.from([]);
}
