import type { Failure } from "../errors.ts";
import type { EntryOutcome } from "../jobs/advance/outcome.ts";
import { JobsCancelled } from "../jobs/advance/stage-rows.ts";
import { sweepTasks } from "../jobs/cancel.ts";
import { forgetList, readSourceJob, type SourceJob } from "../jobs/sources/collection.ts";
import { commitPage, waitIfAhead } from "../jobs/sources/commit-page.ts";
import { SourceError, type SourcePage } from "../jobs/sources/source.ts";
import type { Plan } from "../jobs/plan.ts";
import { failpoint } from "../failpoint.ts";
import type { ClaimedTask } from "../queue/task.ts";
import type { TaskEnd, TaskServices } from "./task-services.ts";
import { unlessGivenUp } from "./unless-given-up.ts";

/** A source with more than that is taken for a mistake unless its job says otherwise. */
const MAX_OBJECTS = 1_000_000;

interface SourceTask {
  readonly task: ClaimedTask;
  readonly plan: Plan;
}

/**
 * Lists a job's source, page by page, until there is nothing more, the job has enough to do, or the task is taken away.
 * It needs no step host. Rejects what runTask makes a hand-back of: database errors, the signal's reason.
 */
export async function runSource(services: TaskServices, { task, plan }: SourceTask, signal: AbortSignal): Promise<TaskEnd> {
  const job = await unlessGivenUp(
    services.database.asSystem((transaction) => readSourceJob(transaction, task.jobId)),
    signal,
  );
  if (!job) return "not_ours";
  const listing = { task, plan, job, listed: job.listed };
  try {
    const end = await listPages(services, listing, signal);
    if (end !== undefined) return end;
    await services.database.asSystem((transaction) => forgetList(transaction, task.jobId));
    return await finish(services, listing, { ok: true, outputs: [] });
  } catch (error) {
    if (error instanceof JobsCancelled) {
      await services.database.asSystem((transaction) => sweepTasks(transaction, [task.jobId]));
      return "not_ours";
    }
    if (!(error instanceof SourceError) || signal.aborted) throw error;
    return await finish(services, listing, { ok: false, failure: failureOf(error), step: "" });
  }
}

interface Listing extends SourceTask {
  readonly job: SourceJob;
  listed: number;
}

/** Undefined when the source has ended. */
async function listPages(services: TaskServices, listing: Listing, signal: AbortSignal): Promise<TaskEnd | undefined> {
  const { task, job } = listing;
  const { workerId } = services;
  if ((await services.database.asSystem((transaction) => waitIfAhead(transaction, { task, workerId }))) === "waits") return "committed";
  const source = await services.sources.open({ tenantId: task.tenantId, jobId: task.jobId, spec: job.spec });
  for await (const page of source.pages(job.cursor ?? undefined, signal)) {
    signal.throwIfAborted();
    refuseTooMany(listing, page);
    const committed = await services.database.asSystem((transaction) =>
      commitPage(transaction, { task: listing.task, plan: listing.plan, workerId, kind: job.spec.kind, page }),
    );
    await failpoint("source-page-after-commit");
    if (!committed) return "not_ours";
    listing.listed += committed.items;
    if (committed.lanes.size > 0) services.announce(committed.lanes);
    if (committed.paused) return "committed";
  }
  return undefined;
}

function refuseTooMany({ job, listed }: Listing, page: SourcePage): void {
  const most = job.spec.limits?.max_objects ?? MAX_OBJECTS;
  if (listed + page.inputs.length <= most) return;
  throw new SourceError(
    "limit_exceeded",
    "bad_input",
    `The source has more than ${most} objects; ${listed} were taken. Name a narrower one, or allow more with limits.max_objects.`,
  );
}

/** A page was a success: attempts that were burnt before it count no more. */
async function finish(services: TaskServices, listing: Listing, result: EntryOutcome): Promise<TaskEnd> {
  const { plan, job } = listing;
  const task = listing.listed > job.listed ? { ...listing.task, attempts: 0 } : listing.task;
  return await services.committer.commit({
    finished: { task, plan, outcome: { type: "done", results: [result] } },
    files: [],
    outputs: [],
  });
}

export function failureOf(error: SourceError): Failure {
  return { class: error.failureClass, code: error.code, message: error.message };
}
