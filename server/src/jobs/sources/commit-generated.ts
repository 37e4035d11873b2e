import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { failpoint } from "../../failpoint.ts";
import { hold } from "../../queue/hold.ts";
import { goOn } from "../../queue/pause.ts";
import type { ClaimedTask } from "../../queue/task.ts";
import { advanceJobs } from "../advance/advance-jobs.ts";
import { deliver, deltaOf, newAdvance } from "../advance/deliveries.ts";
import type { Plan } from "../plan.ts";
import { generatedEntries, takersOf } from "./generate.ts";

/** Items of one transaction: 200 tasks of the usual size, some 50 ms and 2 MB. */
const PAGE_ITEMS = 10_000;

export interface GeneratedPage {
  /** Lanes that got work, to be announced after the commit. */
  readonly lanes: ReadonlySet<string>;
  /** Were these the last? */
  readonly isLast: boolean;
}

/**
 * Makes the next items of a job that generates its inputs, their tasks and the new cursor true, only while the task is held
 * under this epoch: undefined where it is not. A worker that dies anywhere has made a page or has not. Throws JobsCancelled.
 */
export async function commitGenerated(
  transaction: Transaction,
  of: { readonly task: ClaimedTask; readonly plan: Plan; readonly workerId: string },
): Promise<GeneratedPage | undefined> {
  const { task, plan, workerId } = of;
  const count = plan.stages[0]?.generates ?? 0;
  const held = await hold(transaction, workerId, [{ taskId: task.id, epoch: task.epoch }]);
  if (!held.has(task.id)) return undefined;
  const from = await readNext(transaction, task.jobId);
  const next = Math.min(from + PAGE_ITEMS, count);
  if (next === from) return { lanes: new Set(), isLast: true };
  const advance = newAdvance({ jobId: task.jobId, tenantId: task.tenantId, priority: task.priority, plan });
  const generator = { name: "", emits: "one" as const, feeds: takersOf(plan) };
  generatedEntries({ from, to: next, count }).forEach(({ fileId, sizeBytes }, index) => {
    deliver(advance, generator, { ordinal: from + index, parent: -1, fileId, from: "" }, [{ step: "", fileId, sizeBytes }]);
  });
  // All of them were counted when the job was submitted.
  for (const taker of advance.entries.keys()) deltaOf(advance, taker).itemsIn -= next - from;
  const { lanes } = await advanceJobs(transaction, [advance]);
  await moveCursor(transaction, task.jobId, next);
  await goOn(transaction, task.id);
  await failpoint("generate-page-before-commit");
  return { lanes, isLast: next === count };
}

async function readNext(transaction: Transaction, jobId: string): Promise<number> {
  const [row] = await transaction.query<{ listed: number }>(sql`SELECT listed FROM job_sources WHERE job_id = ${jobId}::uuid`);
  return row?.listed ?? 0;
}

/** What is listed is the cursor: ordinals follow each other. */
async function moveCursor(transaction: Transaction, jobId: string, next: number): Promise<void> {
  await transaction.execute(sql`UPDATE job_sources SET listed = ${next} WHERE job_id = ${jobId}::uuid`);
}
