import { encodeId } from "@filemill/contract/ids.ts";
import type { JobStatus, TaskKind } from "@filemill/contract/status.ts";
import { LONG_STATEMENT_MS, type Database, type Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { notFound, Problem } from "../errors.ts";
import { failpoint } from "../failpoint.ts";
import { appendAudit } from "../record/audit.ts";
import { appendEvents } from "../record/events.ts";
import { advanceJobs } from "./advance/advance-jobs.ts";
import { newAdvance } from "./advance/deliveries.ts";
import { writeStages, lockStages, type StageRow } from "./advance/stage-rows.ts";
import type { Plan } from "./plan.ts";

export interface Retry {
  readonly tenantId: string;
  readonly jobId: string;
  readonly actor: string;
  /** Only these dead tasks; left out, all of the job. */
  readonly taskIds?: readonly string[];
}

/**
 * Reopens dead items: their tasks become ready again with all attempts, and the reduces above them that had ended with
 * input_dead start afresh once everything below has ended. The only edge out of a terminal status; audited. Returns the
 * lanes to announce and the number of tasks made ready. Throws Problem not_found, or conflict where nothing can be retried.
 */
export async function retryJob(database: Database, retry: Retry): Promise<{ lanes: Set<string>; tasks: number }> {
  const result = await database.asTenant(
    retry.tenantId,
    async (transaction) => {
      const { plan, priority } = await orderOf(transaction, retry.jobId);
      const dead = await lockDeadTasks(transaction, retry);
      const rows = (await lockStages(transaction, [retry.jobId]).catch(refuseCancelled(retry.jobId))).get(retry.jobId) ?? [];
      if (dead.length === 0) {
        throw new Problem("conflict", `The job "${encodeId("job", retry.jobId)}" has no dead items to retry.`);
      }
      await revive(transaction, dead, rows);
      reopen(plan, rows);
      await dropPlaceholders(transaction, retry.jobId, rows);
      await writeStages(transaction, rows);
      await reopenJob(transaction, retry, dead.length);
      const advance = newAdvance({ jobId: retry.jobId, tenantId: retry.tenantId, priority, plan });
      const { lanes } = await advanceJobs(transaction, [advance]);
      for (const task of dead) lanes.add(task.lane);
      await failpoint("retry-before-commit");
      return { lanes, tasks: dead.length };
    },
    { statementMs: LONG_STATEMENT_MS },
  );
  await failpoint("retry-after-commit");
  return result;
}

async function orderOf(transaction: Transaction, jobId: string): Promise<{ plan: Plan; priority: number }> {
  const [order] = await transaction.query<{ plan: Plan; priority: number }>(sql`
    SELECT job_specs.plan, jobs.priority FROM job_specs JOIN jobs ON jobs.id = job_specs.job_id WHERE job_specs.job_id = ${jobId}::uuid`);
  if (!order) throw notFound("job", encodeId("job", jobId));
  return order;
}

function refuseCancelled(jobId: string) {
  return (error: unknown): never => {
    if (error instanceof Error && error.name === "JobsCancelled") {
      throw new Problem("conflict", `The job "${encodeId("job", jobId)}" was cancelled; submit a new one instead.`);
    }
    throw error;
  };
}

interface DeadTask {
  readonly id: string;
  readonly kind: TaskKind;
  readonly stage: number;
  readonly lane: string;
}

/**
 * A reduce that ended before it ever ran, because an input was dead: it was inserted dead. Told by that, and not by its
 * error, which a task that ran may have as well.
 */
const isPlaceholder = sql`(status = 'dead' AND kind <> 'map' AND epoch = 0)`;

/** The dead tasks asked for, but for placeholders. */
async function lockDeadTasks(transaction: Transaction, { jobId, taskIds }: Retry): Promise<DeadTask[]> {
  return await transaction.query<DeadTask>(sql`
    SELECT id, kind, stage, lane FROM tasks
    WHERE job_id = ${jobId}::uuid AND status = 'dead' AND NOT ${isPlaceholder}
      AND (${taskIds ?? null}::uuid[] IS NULL OR id = ANY(${taskIds ?? null}::uuid[]))
    ORDER BY id FOR UPDATE`);
}

async function revive(transaction: Transaction, tasks: readonly DeadTask[], rows: readonly StageRow[]): Promise<void> {
  const ids = tasks.map((task) => task.id);
  await transaction.execute(sql`
    UPDATE tasks SET status = 'ready', backing_off = false, run_at = now(), attempts = 0, losses = 0, handbacks = 0, worker_id = NULL,
      finished_at = NULL, items_done = 0
    WHERE id = ANY(${ids}::uuid[])`);
  await transaction.execute(sql`DELETE FROM item_exceptions WHERE task_id = ANY(${ids}::uuid[]) AND status = 'dead'`);
  for (const task of tasks) {
    const row = rows[task.stage];
    if (!row) continue;
    row.openTasks += 1;
    if (task.kind === "map") row.dead -= 1;
    else row.deadTasks -= 1;
  }
}

/**
 * Of the reduces that are open again; closeStages puts a new one where it is still deserved. Looked for under the stages'
 * locks, since the commit that we may have waited for can have made some.
 */
async function dropPlaceholders(transaction: Transaction, jobId: string, rows: readonly StageRow[]): Promise<void> {
  const open = rows.filter((row) => row.status === "open").map((row) => row.stage);
  const placeholders = await transaction.query<{ id: string; stage: number }>(sql`
    DELETE FROM tasks WHERE job_id = ${jobId}::uuid AND stage = ANY(${open}::smallint[]) AND ${isPlaceholder} RETURNING id, stage`);
  await transaction.execute(sql`DELETE FROM task_inputs WHERE task_id = ANY(${placeholders.map((task) => task.id)}::uuid[])`);
  for (const { stage } of placeholders) {
    const row = rows[stage];
    if (row) row.deadTasks -= 1;
  }
}

/** A stage with work, or with an open stage above it, is open again; closeStages ends what turns out to have nothing to do. */
function reopen(plan: Plan, rows: readonly StageRow[]): void {
  for (const stage of plan.stages) {
    const row = rows[stage.no];
    if (!row) continue;
    row.openFeeders = stage.feeders.filter((feeder) => rows[feeder]?.status === "open").length;
    row.status = row.openTasks > 0 || row.openFeeders > 0 ? "open" : "closed";
  }
}

async function reopenJob(transaction: Transaction, { tenantId, jobId, actor, taskIds }: Retry, tasks: number): Promise<void> {
  const [job] = await transaction.query<{ status: JobStatus }>(sql`SELECT status FROM jobs WHERE id = ${jobId}::uuid FOR UPDATE`);
  if (job?.status === "failed") {
    await transaction.execute(sql`UPDATE jobs SET status = 'running', finished_at = NULL WHERE id = ${jobId}::uuid`);
    await appendEvents(transaction, [{ tenantId, jobId, type: "job.running", data: { retried_tasks: tasks } }]);
  }
  await appendAudit(transaction, {
    tenantId,
    actor,
    action: taskIds ? "task.redrive" : "job.retry",
    object: encodeId("job", jobId),
    detail: { tasks, ...(taskIds ? { task_ids: taskIds.map((id) => encodeId("task", id)) } : {}) },
  });
}
