import type { Issue } from "@filemill/contract/errors.ts";
import { decodeId, encodeId } from "@filemill/contract/ids.ts";
import type { JobStatus } from "@filemill/contract/status.ts";
import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { Problem } from "../../errors.ts";
import type { Plan } from "../plan.ts";
import type { After } from "./after.ts";

export interface Predecessor {
  readonly jobId: string;
  readonly status: JobStatus;
}

/** The transaction that ends a job touches a row for each that waits for it. */
const MAX_WAITING = 1_000;

/**
 * The jobs that another is to wait for, held until the commit: none of them ends between this look and the row that waits.
 * Ids that exist before the job that names them make no circles. Throws Problem not_found with every id that is not there,
 * validation_failed for steps that are none of a job's outputs, conflict where too many wait for one already.
 */
export async function lockPredecessors(transaction: Transaction, tenantId: string, after: After): Promise<Predecessor[]> {
  const uuids = after.jobs.flatMap((id) => decodeId("job", id) ?? []);
  const found = await transaction.query<Predecessor>(sql`
    SELECT id AS "jobId", status FROM jobs WHERE id = ANY(${uuids}::uuid[]) AND tenant_id = ${tenantId} ORDER BY id FOR SHARE`);
  const known = new Set(found.map(({ jobId }) => encodeId("job", jobId)));
  const missing = after.jobs.filter((id) => !known.has(id));
  if (missing.length > 0)
    throw refusal(
      "not_found",
      after,
      missing.map((id) => ({ id, message: `there is no job "${id}"` })),
    );
  await requireSteps(transaction, tenantId, after);
  await requireRoom(transaction, after, uuids);
  return found;
}

async function requireSteps(transaction: Transaction, tenantId: string, after: After): Promise<void> {
  const asked = after.inputsFrom.filter(({ steps }) => steps !== undefined);
  if (asked.length === 0) return;
  const rows = await transaction.query<{ jobId: string; plan: Plan }>(sql`
    SELECT job_id AS "jobId", plan FROM job_specs
    WHERE job_id = ANY(${asked.map(({ job }) => decodeId("job", job) ?? null)}::uuid[]) AND tenant_id = ${tenantId}`);
  const outputsOf = new Map(rows.map(({ jobId, plan }) => [encodeId("job", jobId), outputSteps(plan)]));
  const issues = after.inputsFrom.flatMap(({ job, steps = [] }, index): Issue[] => {
    const outputs = outputsOf.get(job) ?? [];
    const wrong = steps.filter((step) => !outputs.includes(step));
    return wrong.map((step) => ({
      pointer: `/inputs_from/${index}/steps`,
      message: `"${step}" is no output of the job "${job}", which has ${outputs.map((name) => `"${name}"`).join(", ")}`,
    }));
  });
  if (issues.length > 0) throw new Problem("validation_failed", `The job's inputs: ${issues[0]?.message}.`, { issues });
}

function outputSteps({ stages }: Plan): string[] {
  return stages.flatMap((stage) => stage.steps.filter((step) => step.output).map((step) => step.name));
}

async function requireRoom(transaction: Transaction, after: After, jobIds: readonly string[]): Promise<void> {
  const full = await transaction.query<{ jobId: string }>(sql`
    SELECT after_job_id AS "jobId" FROM job_dependencies WHERE after_job_id = ANY(${jobIds}::uuid[]) AND outcome IS NULL
    GROUP BY after_job_id HAVING count(*) >= ${MAX_WAITING}`);
  if (full.length === 0) return;
  const message = `${MAX_WAITING} jobs wait for it already`;
  throw refusal(
    "conflict",
    after,
    full.map(({ jobId }) => ({ id: encodeId("job", jobId), message })),
  );
}

function refusal(code: "not_found" | "conflict", after: After, wrong: readonly { id: string; message: string }[]): Problem {
  const issues = wrong.map(({ id, message }) => ({ pointer: `/after/${after.jobs.indexOf(id)}`, message }));
  const [first] = wrong;
  const more = wrong.length > 1 ? ` (and ${wrong.length - 1} more)` : "";
  return new Problem(code, code === "not_found" ? `There is no job "${first?.id}"${more}.` : `"${first?.id}": ${first?.message}${more}.`, {
    issues,
  });
}
