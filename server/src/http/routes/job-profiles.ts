import { Page } from "@filemill/contract/files.ts";
import { ProfileResource } from "@filemill/contract/profiles.ts";
import type { FastifyPluginAsync } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { listProfiles } from "../../jobs/queries-profiles.ts";
import { jobId, JobParams } from "../job-id.ts";
import type { Services } from "../services.ts";

/** GET /jobs/{id}/profiles */
export function jobProfilesRoutes({ database }: Services): FastifyPluginAsync {
  return async (plain) => {
    plain.withTypeProvider<ZodTypeProvider>().get(
      "/jobs/:id/profiles",
      {
        schema: {
          summary: "CPU profiles of the tasks of a job that was submitted with `profile`",
          description: "Files of the .cpuprofile format. Of a job that still runs, what is there so far.",
          tags: ["jobs"],
          params: JobParams,
          response: { 200: Page(ProfileResource) },
        },
      },
      async (request) => {
        const data = await listProfiles(database, { tenantId: request.principal.tenantId, jobId: jobId(request.params.id) });
        return { data, next_cursor: null };
      },
    );
  };
}
