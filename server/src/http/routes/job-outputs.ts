import { once } from "node:events";
import { create as contentDisposition } from "content-disposition";
import type { FastifyPluginAsync } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { getJob } from "../../jobs/queries.ts";
import { pageOutputs } from "../../jobs/queries-outputs.ts";
import { readManifests } from "../../outputs/content.ts";
import { INERT_HEADERS } from "../../outputs/serve.ts";
import { zipFiles, type ZipEntry } from "../../outputs/zip-files.ts";
import { jobId, JobParams } from "../job-id.ts";
import type { Services } from "../services.ts";

/** GET /jobs/{id}/outputs.zip */
export function jobOutputsRoutes(services: Services): FastifyPluginAsync {
  const { database, contents } = services;
  return async (plain) => {
    plain.withTypeProvider<ZodTypeProvider>().get(
      "/jobs/:id/outputs.zip",
      {
        schema: {
          summary: "All outputs of a job in one zip, in a folder a step",
          description: "Made while it is sent. Of a job that still runs, what is there so far.",
          tags: ["jobs"],
          params: JobParams,
        },
      },
      async (request, reply) => {
        const job = { tenantId: request.principal.tenantId, jobId: jobId(request.params.id) };
        const { pipeline } = await getJob(database, job);
        const gone = new AbortController();
        void once(reply.raw, "close", { signal: gone.signal }).then(
          () => gone.abort(),
          () => undefined,
        );
        return reply
          .type("application/zip")
          .headers(INERT_HEADERS)
          .header("content-disposition", contentDisposition(`${pipeline.name}-${request.params.id}.zip`, { type: "attachment" }))
          .send(zipFiles(entriesOf(services, job), contents, gone.signal));
      },
    );
  };
}

async function* entriesOf({ database }: Services, job: { tenantId: string; jobId: string }): AsyncGenerator<ZipEntry> {
  for await (const rows of pageOutputs(database, job)) {
    const ids = rows.map((row) => row.fileId);
    const manifests = await database.asTenant(job.tenantId, (transaction) => readManifests(transaction, job.tenantId, ids));
    const byId = new Map(manifests.map((manifest) => [manifest.id, manifest]));
    for (const row of rows) {
      const file = byId.get(row.fileId);
      // Deleted between the two looks: as if it had been deleted before.
      if (file) yield { path: `${row.step}/${row.name}`, file };
    }
  }
}
