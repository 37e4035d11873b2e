import { randomBytes } from "node:crypto";
import type { Client } from "@filemill/sdk/client.ts";
import { FilemillError } from "@filemill/sdk/error.ts";
import type { FastifyInstance } from "fastify";
import { AppError } from "../start/app-error.ts";
import type { ApiMetrics } from "./api-metrics.ts";
import { metadataOf, PIPELINE } from "./job-record.ts";
import { readOrder } from "./read-order.ts";
import type { RegistryClient } from "./registry-client.ts";
import { newCin } from "./registry/company.ts";
import { DOCUMENT_TYPES, type DocumentType } from "./registry/filing.ts";
import { chanceOf } from "./registry/seeded.ts";
import type { CompanyAnswer } from "./registry/server.ts";

interface Creating {
  readonly client: Client;
  readonly registry: RegistryClient;
  readonly metrics: ApiMetrics;
  readonly signal: AbortSignal;
}

interface CreatedJob {
  readonly jobId: string;
  readonly cin: string;
  readonly companyName: string;
}

/** POST /create-job: so many jobs, of a company each. All of them, or an error that says how many there are. */
export function createJobsRoute(app: FastifyInstance, creating: Creating): void {
  app.post("/create-job", async (request, reply) => {
    const order = readOrder(request.body);
    if ("error" in order) return reply.code(400).send(order);
    const { numJobs } = order;
    const jobs: CreatedJob[] = [];
    try {
      for (let made = 0; made < numJobs; made++) jobs.push(await createJob(creating));
    } catch (error) {
      creating.metrics.creationFailed();
      if (!(error instanceof AppError || error instanceof FilemillError)) throw error;
      const reason = error instanceof FilemillError ? error.detail : error.message;
      request.log.warn({ err: error }, "a job could not be created");
      return reply.code(503).send({ error: `Only ${jobs.length} of ${numJobs} job(s) could be created: ${reason}`, jobs });
    }
    creating.metrics.created(numJobs);
    return { message: `Successfully created ${numJobs} job(s)`, jobs, totalJobs: numJobs };
  });
}

/** A job and its inputs, one for each document, come into being in one transaction of the platform. */
async function createJob({ client, registry, metrics, signal }: Creating): Promise<CreatedJob> {
  const cin = newCin(chanceOf(randomBytes(16).toString("hex")));
  const company = await registry.company(cin, signal);
  const { companyName } = company;
  const types = company.documents.map(({ documentType }) => typeOf(documentType));
  const accepted = await metrics.timed("create_job", () =>
    client.files.run(inputsOf(company, registry.url), {
      pipeline: PIPELINE,
      params: { company: companyName, cin },
      metadata: metadataOf({ cin, companyName, types }),
      signal,
    }),
  );
  return { jobId: accepted.job_id, cin, companyName };
}

/** What the platform fetches, by document: the input of place n − 1 names document n. */
function inputsOf({ documents }: CompanyAnswer, registry: string) {
  return documents.map(({ documentNumber, path }) => {
    const name = `document_${documentNumber}`;
    const content = JSON.stringify({ url: new URL(path, registry).href, name: `${name}.pdf` });
    return { name: `${name}.json`, content: new Blob([content], { type: "application/json" }) };
  });
}

function typeOf(text: string): DocumentType {
  const type = DOCUMENT_TYPES.find((one) => one === text);
  if (type === undefined) throw new AppError(`The registry lists a "${text}", which is none of ${DOCUMENT_TYPES.join(", ")}.`);
  return type;
}
