import { Readable } from "node:stream";
import type { JobSummary } from "@filemill/contract/jobs.ts";
import type { FastifyInstance, FastifyReply } from "fastify";
import type { ApiMetrics } from "./api-metrics.ts";
import { documentsOf, type StoredDocument } from "./document-record.ts";
import { findJob, findRecord, MADE_BY, readRecord, type JobRecord, type RecordSources } from "./job-record.ts";
import { SERVED_BELOW } from "./texts.ts";

/** Jobs that a list shows, newest first. */
const SHOWN = 100;
/** Documents that a search over all jobs gives. */
const FOUND = 1_000;

/** GET of jobs and of their documents. */
export function jobsRoutes(app: FastifyInstance, { client, texts, metrics }: RecordSources & { metrics: ApiMetrics }): void {
  const documents = ({ protocol, host }: { readonly protocol: string; readonly host: string }, job: JobSummary) =>
    documentsOf({ client, texts, origin: `${protocol}://${host}` }, job);

  app.get("/jobs", async () => {
    const jobs: JobRecord[] = [];
    await metrics.timed("list_jobs", async () => {
      for await (const job of client.jobs.list({ metadata: MADE_BY, limit: SHOWN })) {
        const record = await readRecord({ client, texts }, job);
        if (record) jobs.push(record);
        if (jobs.length === SHOWN) break;
      }
    });
    return { jobs, totalJobs: jobs.length };
  });

  app.get<{ Params: { id: string } }>("/jobs/:id", async ({ params: { id } }, reply) => {
    const record = await metrics.timed("find_job", () => findRecord({ client, texts }, id));
    return record ?? unknownJob(reply, id);
  });

  app.get<{ Params: { id: string } }>("/jobs/:id/documents", async (request, reply) => {
    const { id } = request.params;
    const job = await findJob(client, id);
    if (job === undefined) return unknownJob(reply, id);
    const stored = await metrics.timed("list_documents", () => Array.fromAsync(documents(request, job)));
    return answer(stored);
  });

  app.get<{ Querystring: Search }>("/documents", async (request) => {
    const found: StoredDocument[] = [];
    await metrics.timed("find_documents", async () => {
      const { companyName, cin } = request.query;
      const metadata = { ...MADE_BY, ...(companyName !== undefined && { companyName }), ...(cin !== undefined && { cin }) };
      for await (const job of client.jobs.list({ metadata, limit: SHOWN })) {
        for await (const document of documents(request, job)) {
          if (request.query.documentType === undefined || request.query.documentType === document.record.documentType) found.push(document);
          if (found.length === FOUND) return;
        }
      }
    });
    return answer(found);
  });

  app.get<{ Params: { id: string; name: string } }>(`/${SERVED_BELOW}/jobs/:id/:name`, async (request, reply) => {
    const { id, name } = request.params;
    const job = await findJob(client, id);
    if (job === undefined) return unknownJob(reply, id);
    for await (const { record, fileId } of documents(request, job)) {
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
