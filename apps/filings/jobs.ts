import { Readable } from "node:stream";
import type { Client } from "@filemill/sdk/client.ts";
import type { FastifyInstance, FastifyReply } from "fastify";
import type { ApiMetrics } from "./api-metrics.ts";
import { CONTAINER, documentsOf, type StoredDocument } from "./document-record.ts";
import { findJob, findRecord, MADE_BY, readRecord, type JobRecord } from "./job-record.ts";

/** Jobs that a list shows, newest first. */
const SHOWN = 100;
/** Documents that a search over all jobs gives. */
const FOUND = 1_000;

/** GET of jobs and of their documents. */
export function jobsRoutes(app: FastifyInstance, { client, metrics }: { client: Client; metrics: ApiMetrics }): void {
  const urlOf = (request: { readonly protocol: string; readonly host: string }) => (path: string) =>
    `${request.protocol}://${request.host}/${CONTAINER}/${path}`;

  app.get("/jobs", async () => {
    const jobs: JobRecord[] = [];
    await metrics.timed("list_jobs", async () => {
      for await (const job of client.jobs.list({ metadata: MADE_BY, limit: SHOWN })) {
        const record = await readRecord(client, job);
        if (record) jobs.push(record);
        if (jobs.length === SHOWN) break;
      }
    });
    return { jobs, totalJobs: jobs.length };
  });

  app.get<{ Params: { id: string } }>("/jobs/:id", async ({ params: { id } }, reply) => {
    const record = await metrics.timed("find_job", () => findRecord(client, id));
    return record ?? unknownJob(reply, id);
  });

  app.get<{ Params: { id: string } }>("/jobs/:id/documents", async (request, reply) => {
    const { id } = request.params;
    const job = await findJob(client, id);
    if (job === undefined) return unknownJob(reply, id);
    const stored = await metrics.timed("list_documents", () => Array.fromAsync(documentsOf(client, job, urlOf(request))));
    return answer(stored);
  });

  app.get<{ Querystring: Search }>("/documents", async (request) => {
    const found: StoredDocument[] = [];
    await metrics.timed("find_documents", async () => {
      const { companyName, cin } = request.query;
      const metadata = { ...MADE_BY, ...(companyName !== undefined && { companyName }), ...(cin !== undefined && { cin }) };
      for await (const job of client.jobs.list({ metadata, limit: SHOWN })) {
        for await (const document of documentsOf(client, job, urlOf(request))) {
          if (request.query.documentType === undefined || request.query.documentType === document.record.documentType) found.push(document);
          if (found.length === FOUND) return;
        }
      }
    });
    return answer(found);
  });

  app.get<{ Params: { id: string; name: string } }>(`/${CONTAINER}/jobs/:id/:name`, async (request, reply) => {
    const { id, name } = request.params;
    const job = await findJob(client, id);
    if (job === undefined) return unknownJob(reply, id);
    for await (const { record, fileId } of documentsOf(client, job, urlOf(request))) {
      if (record.fileName !== name) continue;
      const { body } = await client.files.content(fileId);
      return reply
        .headers({ "content-type": "text/plain; charset=utf-8", "content-length": record.fileSize, etag: `"${record.checksum}"` })
        .send(body ? Readable.fromWeb(body) : Buffer.alloc(0));
    }
    return reply.code(404).send({ error: `Job ${id} has no ${name}` });
  });
}

interface Search {
  readonly companyName?: string;
  readonly cin?: string;
  readonly documentType?: string;
}

function answer(stored: readonly StoredDocument[]) {
  return { documents: stored.map(({ record }) => record), totalDocuments: stored.length };
}

function unknownJob(reply: FastifyReply, id: string): FastifyReply {
  return reply.code(404).send({ error: `Job ${id} not found` });
}
