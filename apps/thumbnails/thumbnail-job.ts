import { decodeId } from "@filemill/contract/ids.ts";
import type { JobResource } from "@filemill/contract/jobs.ts";
import type { JobStatus } from "@filemill/contract/status.ts";
import type { Client } from "@filemill/sdk/client.ts";
import { FilemillError } from "@filemill/sdk/error.ts";

/** Built in; a tenant's own of that name goes before it. */
export const PIPELINE = "thumbnail-500";
/** On every job of this app, which shows no other job of the tenant. */
export const MADE_BY = { app: "thumbnails" };

export const STAGES: Readonly<Record<JobStatus, string>> = {
  queued: "STAGING STAGE",
  running: "PROCESSING STAGE",
  completed: "COMPLETION STAGE",
  failed: "FAILED STAGE",
  cancelled: "FAILED STAGE",
};

/** What clients call `file_id` is the id of the image's job. Undefined where there is none of this app. */
export async function findJob(client: Client, fileId: string): Promise<JobResource | undefined> {
  if (decodeId("job", fileId) === undefined) return undefined;
  try {
    const job = await client.jobs.get(fileId);
    return job.metadata["app"] === MADE_BY.app ? job : undefined;
  } catch (error) {
    if (error instanceof FilemillError && error.code === "not_found") return undefined;
    throw error;
  }
}
