import { decodeId } from "@filemill/contract/ids.ts";
import type { JobResource, JobSummary } from "@filemill/contract/jobs.ts";
import type { Client } from "@filemill/sdk/client.ts";
import { FilemillError } from "@filemill/sdk/error.ts";

/** Built in; a tenant's own of that name goes before it. */
export const PIPELINE = "averages";
/** Its steps: the files, which an item each makes, and the tree over them, which gives the result. */
export const FILES_STEP = "files";
export const RESULT_STEP = "mean";
/** On every job of this app, which shows no other job of the tenant. */
export const MADE_BY = { app: "averages" };
/** Partial sums that one task adds up. */
const FAN_IN = 5;

export type AverageStatus = "Generating Files" | "Processing" | "Aggregating" | "Completed" | "Failed";

/** A job as its clients know it, but for the paths of its files, of which there may be very many (see write-jobs.ts). */
export interface AverageJob {
  readonly _id: string;
  readonly noOfFiles: number;
  readonly noOfEntriesPerFile: number;
  /** 0–100. */
  readonly progress: number;
  /** Sums that have to be made: the nodes of the tree. */
  readonly totalTasks: number;
  readonly status: AverageStatus;
  /** GET gives the result; null until it is there. */
  readonly outputFilePath: string | null;
  /** ISO 8601. */
  readonly processingStartTime: string | null;
  readonly processingCompleteTime: string | null;
}

/** What the platform knows of a job, as far as it matters here. */
export type PlatformJob = Pick<JobSummary, "id" | "status" | "progress" | "counts" | "stages" | "started_at" | "finished_at" | "metadata">;

/** The platform's job in this app's words; undefined for a job that this app has not made. */
export function averageJob(job: PlatformJob): AverageJob | undefined {
  const noOfFiles = Number(job.metadata["noOfFiles"]);
  const noOfEntriesPerFile = Number(job.metadata["noOfEntriesPerFile"]);
  if (job.metadata["app"] !== MADE_BY.app || !Number.isInteger(noOfFiles) || !Number.isInteger(noOfEntriesPerFile)) return undefined;
  return {
    _id: job.id,
    noOfFiles,
    noOfEntriesPerFile,
    progress: job.progress,
    totalTasks: treeSize(noOfFiles),
    status: statusOf(job, noOfFiles),
    outputFilePath: job.status === "completed" ? `/files/${job.id}/final.txt` : null,
    processingStartTime: job.started_at,
    processingCompleteTime: job.finished_at,
  };
}

/** Have all of its files been made? */
export function hasAllFiles({ counts, stages }: PlatformJob, noOfFiles: number): boolean {
  const files = stages.find(({ steps }) => steps.includes(FILES_STEP));
  return counts.dead === 0 && files !== undefined && files.done >= noOfFiles;
}

/** Undefined where there is no such job of this app. */
export async function findJob(client: Client, id: string): Promise<JobResource | undefined> {
  if (decodeId("job", id) === undefined) return undefined;
  try {
    const job = await client.jobs.get(id);
    return averageJob(job) && job;
  } catch (error) {
    if (error instanceof FilemillError && error.code === "not_found") return undefined;
    throw error;
  }
}

/** Nodes of a tree over so many files: 1,000 make 200 + 40 + 8 + 2 + 1 = 251. */
export function treeSize(files: number): number {
  let total = 0;
  let nodes = files;
  do {
    nodes = Math.ceil(nodes / FAN_IN);
    total += nodes;
  } while (nodes > 1);
  return total;
}

/** Files are summed while others are still being made: the status names the earliest work that is left. */
function statusOf(job: PlatformJob, noOfFiles: number): AverageStatus {
  if (job.status === "completed") return "Completed";
  if (job.status === "failed" || job.status === "cancelled") return "Failed";
  if (!hasAllFiles(job, noOfFiles)) return "Generating Files";
  const sums = job.stages.find(({ steps }) => steps.includes(RESULT_STEP));
  return (sums?.done ?? 0) < Math.ceil(noOfFiles / FAN_IN) ? "Processing" : "Aggregating";
}
