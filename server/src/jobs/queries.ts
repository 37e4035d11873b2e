import { ItemCode } from "@filemill/contract/errors.ts";
import type { FailureResource, JobResource, JobSummary } from "@filemill/contract/jobs.ts";
import { encodeId } from "@filemill/contract/ids.ts";
import type { JobStatus } from "@filemill/contract/status.ts";
import type { Database } from "../db/database.ts";
import { allOf, sql, type Statement } from "../db/sql.ts";
import { notFound } from "../errors.ts";
import type { TaskError } from "../queue/task.ts";
import { countsOf } from "./job-counts.ts";
import { estimateCompletion, progressOf } from "./job-progress.ts";
import { stageFigures } from "./stage-figures.ts";
import { readActivity, readJobs, type JobActivity, type JobRow } from "./job-rows.ts";
import { outputFile, readOutputs } from "./queries-outputs.ts";

const MAX_OUTPUT_FILES = 1_000;
const BYTES_PER_MB = 1_000_000;

/** A place in the list of jobs; see http/cursor.ts. */
export interface JobPosition {
  /** PostgreSQL's timestamp, to the microsecond. */
  readonly createdAt: string;
  readonly id: string;
}

export interface JobFilter {
  readonly status?: readonly JobStatus[] | undefined;
  readonly pipeline?: string | undefined;
  /** ISO 8601, with a zone. */
  readonly createdAfter?: string | undefined;
  readonly createdBefore?: string | undefined;
  /** All of these must be there with these values. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

export interface JobPage {
  readonly data: JobSummary[];
  /** Where the next page begins, null at the end. */
  readonly next: JobPosition | null;
}

/** One job with its first 1,000 outputs. `jobId` is the uuid. Throws Problem not_found. */
export async function getJob(database: Database, { tenantId, jobId }: { tenantId: string; jobId: string }): Promise<JobResource> {
  return await database.asTenant(tenantId, async (transaction) => {
    const [job] = await readJobs(transaction, sql`j.id = ${jobId} AND j.tenant_id = ${tenantId}`, 1);
    if (!job) throw notFound("job", encodeId("job", jobId));
    const activity = await readActivity(transaction, tenantId, [job]);
    const outputs = await readOutputs(transaction, { jobId, where: sql`TRUE`, limit: MAX_OUTPUT_FILES });
    return { ...summaryOf(job, activity), output_files: outputs.map(outputFile) };
  });
}

/** A page of the tenant's jobs, newest first. */
export async function listJobs(
  database: Database,
  page: { readonly tenantId: string; readonly filter: JobFilter; readonly limit: number; readonly after?: JobPosition | undefined },
): Promise<JobPage> {
  const { tenantId, limit } = page;
  return await database.asTenant(tenantId, async (transaction) => {
    const rows = await readJobs(transaction, allOf(conditions(page)), limit + 1);
    const jobs = rows.slice(0, limit);
    const last = jobs.at(-1);
    const activity = await readActivity(transaction, tenantId, jobs);
    return {
      data: jobs.map((job) => summaryOf(job, activity)),
      next: rows.length > limit && last ? { createdAt: last.createdAtText, id: last.id } : null,
    };
  });
}

function conditions({ tenantId, filter, after }: Parameters<typeof listJobs>[1]): Statement[] {
  const { status, pipeline, createdAfter, createdBefore, metadata } = filter;
  const wanted = [sql`j.tenant_id = ${tenantId}`];
  if (status) wanted.push(sql`j.status = ANY(${status}::text[])`);
  if (pipeline !== undefined) wanted.push(sql`j.pipeline_name = ${pipeline}`);
  if (createdAfter !== undefined) wanted.push(sql`j.created_at >= ${createdAfter}::timestamptz`);
  if (createdBefore !== undefined) wanted.push(sql`j.created_at < ${createdBefore}::timestamptz`);
  if (metadata && Object.keys(metadata).length > 0) wanted.push(sql`s.metadata @> ${JSON.stringify(metadata)}::jsonb`);
  if (after) wanted.push(sql`(j.created_at, j.id) < (${after.createdAt}::timestamptz, ${after.id}::uuid)`);
  return wanted;
}

function summaryOf(job: JobRow, activity: JobActivity): JobSummary {
  const counts = countsOf(job, job.stages, activity.running.get(job.id) ?? 0);
  const nodesDone = activity.nodesDone.get(job.id) ?? new Map<number, number>();
  const progress = progressOf(job.status, job.stages, nodesDone);
  const failure = activity.failures.get(job.id) ?? job.waits?.error;
  return {
    id: encodeId("job", job.id),
    status: job.status,
    pipeline: { name: job.pipelineName, version: job.pipelineVersion },
    progress,
    counts,
    stages: stageFigures(job.stages, { nodesDone, listed: job.source?.listed ?? 0 }),
    created_at: job.createdAt.toISOString(),
    started_at: job.startedAt?.toISOString() ?? null,
    finished_at: job.finishedAt?.toISOString() ?? null,
    estimated_completion: estimateCompletion({ ...job, progress })?.toISOString() ?? null,
    metadata: { ...job.metadata, ...measuresOf(job, counts.total) },
    priority: job.priority,
    error: failure ? failureResource(failure) : null,
    source: job.source && { ...job.source, status: isListing(job) ? "open" : "ended" },
    after: job.waits && afterResource(job.waits, job.status),
  };
}

function afterResource({ policy, settled, jobs }: NonNullable<JobRow["waits"]>, status: JobStatus): NonNullable<JobSummary["after"]> {
  const outcomes = jobs.map(({ id, outcome }) => ({ job_id: encodeId("job", id), outcome }));
  return { policy, waiting: !settled && status === "queued", jobs: outcomes };
}

/** A source whose job was cancelled, or whose listing failed, has ended as well. */
function isListing({ stages }: JobRow): boolean {
  return stages.some((stage) => stage.kind === "source" && stage.status === "open");
}

/** Ours stand beside the user's metadata, and before a key of the same name. */
function measuresOf(job: JobRow, items: number): Record<string, number> {
  const end = job.finishedAt ?? job.now;
  const seconds = job.startedAt ? Math.max(0, end.getTime() - job.startedAt.getTime()) / 1_000 : 0;
  const bytes = job.inputBytes + (job.source?.collected_bytes ?? 0);
  return { processing_time: seconds, file_size_mb: Math.round((bytes / BYTES_PER_MB) * 1_000) / 1_000, items };
}

export function failureResource(error: Pick<TaskError, "code" | "step" | "message">): FailureResource {
  return { code: ItemCode.catch("crashed").parse(error.code), step: error.step, message: error.message };
}
