import type { JobSource } from "@filemill/contract/source.ts";
import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import type { NewTask } from "../../queue/task.ts";
import { deltaOf, type JobAdvance } from "../advance/deliveries.ts";
import { taskOf } from "../advance/make-tasks.ts";

/** The tasks that list a new job's source: one, or none where its inputs are there already. Counted in its deltas. */
export function sourceTasks(advance: JobAdvance): NewTask[] {
  const stages = advance.plan.stages.filter((stage) => stage.kind === "source");
  return stages.map((stage) => {
    deltaOf(advance, stage.no).openTasks += 1;
    return { ...taskOf(advance, stage), entries: [] };
  });
}

export async function insertSource(
  transaction: Transaction,
  job: { readonly jobId: string; readonly tenantId: string; readonly source: JobSource; readonly listed: number },
): Promise<void> {
  await transaction.execute(sql`
    INSERT INTO job_sources (job_id, tenant_id, kind, spec, listed)
    VALUES (${job.jobId}::uuid, ${job.tenantId}::uuid, ${job.source.kind}, ${JSON.stringify(job.source)}::jsonb, ${job.listed})`);
}
