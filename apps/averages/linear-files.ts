import type { FileResource } from "@filemill/contract/files.ts";
import type { Client } from "@filemill/sdk/client.ts";

/** On the files that the validator has made for a job. */
export function linearMark(jobId: string): { readonly averages_linear: string } {
  return { averages_linear: jobId };
}

/** What the validator has made for a job, the latest first. */
export function linearFiles(client: Client, jobId: string): AsyncIterable<FileResource> {
  return client.files.list({ metadata: linearMark(jobId) });
}
