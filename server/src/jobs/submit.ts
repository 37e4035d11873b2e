import { v7 as uuidv7 } from "uuid";
import type { Transaction } from "../db/database.ts";
import { insertTasks } from "../queue/insert-tasks.ts";
import { appendEvents } from "../record/events.ts";
import { endJobs } from "./advance/advance-jobs.ts";
import { keepArrivals } from "./advance/arrivals.ts";
import { closeStages } from "./advance/close-stages.ts";
import { deliver, newAdvance, type JobAdvance } from "./advance/deliveries.ts";
import { makeTasks } from "./advance/make-tasks.ts";
import { releaseRuns } from "./advance/runs.ts";
import { addDeltas, type StageRow } from "./advance/stage-rows.ts";
import { insertJob, replaceJob, type CountedSubmission } from "./job-record.ts";
import type { Plan } from "./plan.ts";
import { generationOf, takersOf } from "./sources/generate.ts";
import { withSource } from "./sources/plan-source.ts";
import { insertSource, sourceTasks } from "./sources/submit-source.ts";
import type { Submission, SubmittedJob } from "./submission.ts";

/**
 * Records a job and makes its first tasks ready, inside the caller's transaction (as the tenant): with the files it takes,
 * where they come in the same request, or not at all. Announce `lanes` after the commit.
 *
 * The job's counters are worked out before they are written, so that a small job costs three statements: nobody else can
 * see it yet, and there is nothing to lock.
 */
export async function submitJob(transaction: Transaction, order: Submission): Promise<SubmittedJob> {
  const jobId = uuidv7();
  const lanes = await startJob(transaction, { jobId, order, record: insertQueued });
  return { jobId, lanes };
}

/** Records a job that does not start yet: queued, without inputs, with the pipeline's own plan. */
export async function recordJob(transaction: Transaction, jobId: string, order: Submission): Promise<void> {
  const submission = { ...order, count: order.inputs.length };
  await insertQueued(transaction, submission, newStages(jobId, { ...submission, inputs: [], count: 0 }));
}

/** Starts it, with the inputs that it turned out to have; its stages are locked. Gives the lanes to announce. */
export async function startRecordedJob(transaction: Transaction, jobId: string, order: Submission): Promise<Set<string>> {
  return await startJob(transaction, { jobId, order, record: replaceJob });
}

async function insertQueued(transaction: Transaction, submission: CountedSubmission, rows: readonly StageRow[]): Promise<void> {
  await insertJob(transaction, submission, rows);
  const { tenantId, pipeline } = submission;
  await appendEvents(transaction, [{ tenantId, jobId: rows[0]?.jobId ?? null, type: "job.queued", data: { pipeline: pipeline.name } }]);
}

async function startJob(
  transaction: Transaction,
  { jobId, order, record }: { readonly jobId: string; readonly order: Submission; readonly record: typeof insertJob },
): Promise<Set<string>> {
  const { source } = order;
  const submission = withInputs(order);
  const rows = newStages(jobId, submission);
  const advance = inputsOf(jobId, submission);
  const tasks = [...(await makeTasks(transaction, advance, rows)), ...sourceTasks(advance)];
  await keepArrivals(transaction, advance);
  addDeltas(rows, advance);
  const lanes = await closeStages(transaction, advance, rows);
  for (const task of tasks) lanes.add(task.lane);
  await record(transaction, submission, rows);
  if (source) await insertSource(transaction, { jobId, tenantId: order.tenantId, source, listed: submission.inputs.length });
  await insertTasks(transaction, tasks);
  for (const lane of await releaseRuns(transaction, advance, rows)) lanes.add(lane);
  // Without an input there is nothing that could end it later.
  if (rows.every((row) => row.status === "closed")) await endJobs(transaction, [{ advance, rows }]);
  return lanes;
}

/** The order with the plan that its source makes of the pipeline's, and with the inputs that are there from the start. */
function withInputs(order: Submission): CountedSubmission {
  const { source, pipeline, inputs } = order;
  if (!source) return { ...order, count: inputs.length };
  if (source.kind !== "generate") return { ...order, pipeline: { ...pipeline, plan: withSource(pipeline.plan, source) }, count: 0 };
  const generation = generationOf(pipeline.plan, source);
  const made = generation.type === "at_once" ? generation.inputs : [];
  return { ...order, pipeline: { ...pipeline, plan: generation.plan }, inputs: made, count: source.count };
}

function newStages(jobId: string, { pipeline: { plan }, inputs, count }: CountedSubmission): StageRow[] {
  const isPaged = inputs.length < count;
  const takers = isPaged ? takersOf(plan) : [];
  const zero = { openTasks: 0, itemsIn: 0, succeeded: 0, skipped: 0, dead: 0, moved: 0, deadTasks: 0 };
  return plan.stages.map((stage, no) => ({
    ...zero,
    jobId,
    stage: no,
    status: "open",
    openFeeders: stage.feeders.length,
    // Of generated inputs all are counted now, so that progress knows how many there will be.
    itemsIn: stage.kind === "map" && takers.includes(no) ? count : 0,
    leaves: leavesOf(plan, no, count),
  }));
}

/** Leaves of a tree whose size is known now: one for each input and each step that feeds it. */
function leavesOf(plan: Plan, no: number, inputs: number): number | null {
  const stage = plan.stages[no];
  if (stage?.kind !== "tree" || !stage.countKnown) return null;
  return inputs * (stage.steps[0]?.needs.length ?? 1);
}

/** The job's inputs seen as the outputs of a step without a name. */
function inputsOf(jobId: string, { tenantId, pipeline: { plan }, priority, inputs }: Submission): JobAdvance {
  const advance = newAdvance({ jobId, tenantId, priority, plan });
  const source = { name: "", emits: "one" as const, feeds: plan.stages.filter((stage) => stage.takesInputs).map((stage) => stage.no) };
  inputs.forEach((input, ordinal) => {
    const entry = { ordinal, parent: -1, fileId: input.fileId, from: "" };
    deliver(advance, source, entry, [{ step: "", fileId: input.fileId, sizeBytes: input.sizeBytes }]);
  });
  return advance;
}
