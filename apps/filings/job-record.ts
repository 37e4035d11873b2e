import { decodeId } from "@filemill/contract/ids.ts";
import type { JobSummary, TaskResource } from "@filemill/contract/jobs.ts";
import type { Client } from "@filemill/sdk/client.ts";
import { FilemillError } from "@filemill/sdk/error.ts";
import { DOCUMENT_TYPES, type DocumentType } from "./registry/filing.ts";
import type { KeptTexts, Texts } from "./texts.ts";

/** Built in; a tenant's own of that name goes before it. */
export const PIPELINE = "filings";
/** On every job of this app, which shows no other job of the tenant. */
export const MADE_BY = { app: "filings" };

export type FilingsStatus = "pending" | "processing" | "in_progress" | "completed" | "failed";

/** A company's documents being collected, as clients know it. Times are ISO 8601. */
export interface JobRecord {
  readonly jobId: string;
  readonly cin: string;
  readonly companyName: string;
  /** processing: a run has begun; in_progress: documents of it have come; pending: the next run waits for a worker. */
  readonly jobStatus: FilingsStatus;
  /** 0–100; moves with every document. */
  readonly progress: number;
  readonly processingStages: {
    readonly documentDownload: {
      readonly status: FilingsStatus;
      readonly totalDocuments: number;
      /** Those whose text is stored. */
      readonly downloadedDocuments: number;
      readonly pendingDocuments: number;
      readonly lastUpdated: string;
    };
  };
  readonly createdAt: string;
  readonly updatedAt: string;
  /** The worker that has the job now, and since when; null between runs. */
  readonly lockedBy: string | null;
  readonly lockedAt: string | null;
}

/** What a job's metadata say of its company. */
export interface JobCompany {
  readonly cin: string;
  readonly companyName: string;
  /** By place: of document n it is entry n − 1. */
  readonly types: readonly DocumentType[];
}

/** A platform's metadata are at most 4 KiB: a letter stands for a type. */
export function metadataOf({ cin, companyName, types }: JobCompany): Record<string, string> {
  return { ...MADE_BY, cin, companyName, types: types.map((type) => LETTERS[DOCUMENT_TYPES.indexOf(type)] ?? "").join("") };
}

const LETTERS = "AFCBT";

/** Undefined for a job that this app has not made. */
export function companyOfJob({ metadata }: Pick<JobSummary, "metadata">): JobCompany | undefined {
  const { app, cin, companyName, types } = metadata;
  if (app !== MADE_BY.app || typeof cin !== "string" || typeof companyName !== "string" || typeof types !== "string") return undefined;
  return { cin, companyName, types: [...types].flatMap((letter) => DOCUMENT_TYPES[LETTERS.indexOf(letter)] ?? []) };
}

/** `tasks` are those of the job, or none where it has ended. Undefined for a job that this app has not made. */
export function recordOf(job: JobSummary, { tasks, kept }: { tasks: readonly TaskResource[]; kept: KeptTexts }): JobRecord | undefined {
  const company = companyOfJob(job);
  if (company === undefined) return undefined;
  const run = tasks.find(({ status }) => status === "running");
  const { total, succeeded } = job.counts;
  // Of two looks at things that go on, the first says what there can be.
  const downloaded = Math.min(kept.count, succeeded);
  const jobStatus = statusOf(job, { run, isCopied: downloaded === succeeded });
  const times = tasks.flatMap((task) => [task.started_at, task.finished_at]).concat(job.started_at, job.finished_at, kept.lastAt ?? null);
  const updatedAt = times.reduce<string>((last, time) => (time !== null && time > last ? time : last), job.created_at);
  return {
    jobId: job.id,
    cin: company.cin,
    companyName: company.companyName,
    jobStatus,
    progress: downloaded === succeeded ? job.progress : Math.min(job.progress, ALL_BUT_COPIED),
    processingStages: {
      documentDownload: {
        status: jobStatus,
        totalDocuments: total,
        downloadedDocuments: downloaded,
        pendingDocuments: total - downloaded,
        lastUpdated: updatedAt,
      },
    },
    createdAt: job.created_at,
    updatedAt,
    lockedBy: run?.worker_id ?? null,
    lockedAt: run?.started_at ?? null,
  };
}

/** A job whose texts are still on their way has not ended for clients, whatever the platform says; %. */
const ALL_BUT_COPIED = 99;
const ENDED: Partial<Record<JobSummary["status"], FilingsStatus>> = { completed: "completed", failed: "failed", cancelled: "failed" };

export function isOver(status: JobSummary["status"]): boolean {
  return ENDED[status] !== undefined;
}

function statusOf(job: JobSummary, { run, isCopied }: { run: TaskResource | undefined; isCopied: boolean }): FilingsStatus {
  if (!isCopied) return "in_progress";
  const ended = ENDED[job.status];
  if (ended !== undefined) return ended;
  if (run === undefined) return "pending";
  return run.items_done > 0 ? "in_progress" : "processing";
}

/** What records are read from. */
export interface RecordSources {
  readonly client: Client;
  readonly texts: Texts;
}

/** Undefined where there is no such job of this app. */
export async function findRecord(from: RecordSources, id: string): Promise<JobRecord | undefined> {
  const job = await findJob(from.client, id);
  return job && (await readRecord(from, job));
}

/** Throws AppError where it can't be known what is stored of the job. */
export async function readRecord({ client, texts }: RecordSources, job: JobSummary): Promise<JobRecord | undefined> {
  const tasks = isOver(job.status) ? [] : await Array.fromAsync(client.jobs.tasks(job.id, { limit: 1_000 }));
  return recordOf(job, { tasks, kept: await texts.kept(job) });
}

/** Undefined where there is no such job of this app. */
export async function findJob(client: Client, id: string): Promise<JobSummary | undefined> {
  if (decodeId("job", id) === undefined) return undefined;
  try {
    const job = await client.jobs.get(id);
    return companyOfJob(job) && job;
  } catch (error) {
    if (error instanceof FilemillError && error.code === "not_found") return undefined;
    throw error;
  }
}
