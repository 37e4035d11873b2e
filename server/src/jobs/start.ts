import type { JobStatus } from "@filemill/contract/status.ts";
import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { appendEvents } from "../record/events.ts";
import type { Plan } from "./plan.ts";

export interface StartedJob {
  readonly jobId: string;
  readonly status: JobStatus;
  readonly plan: Plan;
}

/** Marks queued jobs as running, as a worker that has claimed tasks of them; gives every job's status and plan. */
export async function startJobs(transaction: Transaction, jobIds: readonly string[]): Promise<StartedJob[]> {
  const started = await transaction.query<{ id: string; tenant_id: string }>(sql`
    UPDATE jobs SET status = 'running', started_at = now()
    WHERE id = ANY(ARRAY(SELECT id FROM jobs WHERE id = ANY(${jobIds}::uuid[]) AND status = 'queued' ORDER BY id FOR UPDATE))
    RETURNING id, tenant_id`);
  await appendEvents(
    transaction,
    started.map((job) => ({ tenantId: job.tenant_id, jobId: job.id, type: "job.running" as const, data: {} })),
  );
  return await transaction.query<StartedJob>(sql`
    SELECT jobs.id AS "jobId", jobs.status, job_specs.plan
    FROM jobs JOIN job_specs ON job_specs.job_id = jobs.id WHERE jobs.id = ANY(${jobIds}::uuid[])`);
}
