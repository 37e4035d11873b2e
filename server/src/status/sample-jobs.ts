import type { Counts } from "@filemill/contract/jobs.ts";
import type { JobStatus } from "@filemill/contract/status.ts";
import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { countsOf } from "../jobs/job-counts.ts";
import { estimateCompletion, progressOf } from "../jobs/job-progress.ts";
import { readActivity, readJobs, type JobActivity, type JobRow } from "../jobs/job-rows.ts";

/** A job as it is at one moment. */
export interface JobSample {
  readonly jobId: string;
  readonly tenantId: string;
  readonly status: JobStatus;
  /** 0–100 */
  readonly progress: number;
  readonly counts: Counts;
  readonly estimatedCompletion: Date | null;
}

/** Jobs of one tenant that a tenant-wide stream shows the progress of; more would be noise. */
const MAX_OPEN_PER_TENANT = 50;

/** All jobs that somebody looks at, and the open ones of tenants that are looked at as a whole, in one transaction. */
export async function sampleJobs(
  database: Database,
  watched: { jobIds: readonly string[]; tenantIds: readonly string[] },
): Promise<JobSample[]> {
  return database.asSystem(async (transaction) => {
    const wanted = await wantedJobs(transaction, watched);
    const tenantOf = new Map(wanted.map((job) => [job.id, job.tenantId]));
    const ids = [...tenantOf.keys()];
    const rows = ids.length === 0 ? [] : await readJobs(transaction, sql`j.id = ANY(${ids}::uuid[])`, ids.length);
    const samples: JobSample[] = [];
    for (const [tenantId, jobs] of Map.groupBy(rows, (job) => tenantOf.get(job.id) ?? "")) {
      const activity = await readActivity(transaction, tenantId, jobs);
      samples.push(...jobs.map((job) => toSample(tenantId, job, activity)));
    }
    return samples;
  });
}

async function wantedJobs(
  transaction: Transaction,
  { jobIds, tenantIds }: { jobIds: readonly string[]; tenantIds: readonly string[] },
): Promise<{ id: string; tenantId: string }[]> {
  return transaction.query(sql`
    SELECT jobs.id, jobs.tenant_id AS "tenantId" FROM jobs WHERE jobs.id = ANY(${jobIds}::uuid[])
    UNION
    SELECT open.id, tenant.id FROM unnest(${tenantIds}::uuid[]) AS tenant(id)
    CROSS JOIN LATERAL (
      SELECT jobs.id FROM jobs WHERE jobs.tenant_id = tenant.id AND jobs.status IN ('queued', 'running') LIMIT ${MAX_OPEN_PER_TENANT}
    ) AS open`);
}

function toSample(tenantId: string, job: JobRow, activity: JobActivity): JobSample {
  const progress = progressOf(job.status, job.stages, activity.nodesDone.get(job.id) ?? new Map());
  return {
    jobId: job.id,
    tenantId,
    status: job.status,
    progress,
    counts: countsOf(job, job.stages, activity.running.get(job.id) ?? 0),
    estimatedCompletion: estimateCompletion({ ...job, progress }),
  };
}
