import { createHash } from "node:crypto";
import { canonicalJson } from "../canonical-json.ts";
import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { Plan, StagePlan, StepPlan } from "./plan.ts";

/** A step as the history of a file shows it. */
export interface PastStep {
  readonly step: string;
  readonly processor: string;
  readonly version: string;
  /** Hex, of the canonical JSON of the parameters that the step ran with. */
  readonly parametersSha256: string;
}

/** By step: the steps that run in one go up to it, itself last. What lies between them was never stored. */
export type StepHistory = Readonly<Record<string, readonly PastStep[]>>;

export interface JobHistory {
  readonly jobId: string;
  readonly pipelineName: string;
  readonly steps: StepHistory;
  readonly isDeleted: boolean;
}

export function stepHistory(plan: Plan): StepHistory {
  return Object.fromEntries(plan.stages.flatMap((stage) => stage.steps.map((step) => [step.name, chainTo(stage, step)] as const)));
}

/** Of jobs that are there, and of deleted ones of which files are left. Inside a transaction of the tenant. */
export async function readJobHistories(transaction: Transaction, jobIds: readonly string[]): Promise<Map<string, JobHistory>> {
  const alive = await transaction.query<{ jobId: string; pipelineName: string; plan: Plan }>(sql`
    SELECT jobs.id AS "jobId", pipeline_name AS "pipelineName", plan
    FROM jobs JOIN job_specs ON job_specs.job_id = jobs.id WHERE jobs.id = ANY(${jobIds}::uuid[])`);
  const deleted = await transaction.query<Omit<JobHistory, "isDeleted">>(sql`
    SELECT job_id AS "jobId", pipeline_name AS "pipelineName", steps FROM deleted_jobs WHERE job_id = ANY(${jobIds}::uuid[])`);
  const histories = [
    ...alive.map(({ plan, ...job }) => ({ ...job, steps: stepHistory(plan), isDeleted: false })),
    ...deleted.map((job) => ({ ...job, isDeleted: true })),
  ];
  return new Map(histories.map((history) => [history.jobId, history]));
}

/** The members of `stage` above `last`, in the order in which they run. */
function chainTo(stage: StagePlan, last: StepPlan): PastStep[] {
  const above = new Set([last.name]);
  for (const step of stage.steps.toReversed()) {
    if (above.has(step.name)) for (const need of step.needs) above.add(need);
  }
  return stage.steps.filter((step) => above.has(step.name)).map(pastStep);
}

function pastStep({ name, use, version, with: parameters }: StepPlan): PastStep {
  const parametersSha256 = createHash("sha256").update(canonicalJson(parameters)).digest("hex");
  return { step: name, processor: use, version, parametersSha256 };
}
