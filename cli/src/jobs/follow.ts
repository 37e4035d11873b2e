import type { JobResource } from "@filemill/contract/jobs.ts";
import type { Client } from "@filemill/sdk/client.ts";
import type { Progress } from "../terminal/progress.ts";

/** Shows a job live until it has ended; gives what became of it. */
export async function followJob(following: {
  client: Client;
  jobId: string;
  title: string;
  progress: Progress;
  signal: AbortSignal;
}): Promise<JobResource> {
  const { client, jobId, title, progress, signal } = following;
  const bar = progress.bar(title, 100);
  const job = await client.jobs.finished(jobId, {
    signal,
    onEvent(event) {
      const percent = event.data["progress"];
      if (event.type === "job.progress" && typeof percent === "number") bar.set(percent, "running");
      else if (event.type === "job.queued" || event.type === "job.running") bar.set(0, event.type.slice("job.".length));
    },
  });
  bar.finish(outcome(job));
  return job;
}

/** `completed, 12 items`; `failed, 1 of 12 items dead`. */
export function outcome(job: Pick<JobResource, "status" | "counts">): string {
  const { total, dead } = job.counts;
  const items = `${total} ${total === 1 ? "item" : "items"}`;
  return dead > 0 ? `${job.status}, ${dead} of ${items} dead` : `${job.status}, ${items}`;
}

/** Why a job did not complete, with at most ten of its dead items. */
export async function troubles(client: Client, job: JobResource): Promise<string[]> {
  const lines: string[] = [];
  if (job.error) lines.push(`${job.error.step ?? "job"}: ${job.error.message} (${job.error.code})`);
  if (job.counts.dead > 0) {
    for await (const item of client.jobs.items(job.id, { status: "dead", limit: SHOWN_ITEMS })) {
      const reason = item.error ? `${item.error.step ?? "collect"}: ${item.error.message} (${item.error.code})` : "dead";
      lines.push(`${item.input?.name ?? item.source ?? `item ${item.ordinal}`}: ${reason}`);
      if (lines.length >= SHOWN_ITEMS) break;
    }
  }
  return lines;
}

const SHOWN_ITEMS = 10;
