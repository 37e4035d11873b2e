import { jobSince, type JobClaim } from "../queue/claim-job.ts";
import { dropHold, renewHold } from "../queue/job-hold.ts";
import { RENEW_MS } from "../queue/lease.ts";
import { startWorker, type WorkerObserver, type WorkerOptions } from "./loop.ts";
import { openOneJobDispatch, type JobLeft, type OneJobDispatch } from "./one-job-dispatch.ts";

export interface OneJobOptions extends Omit<WorkerOptions, "id" | "openDispatch"> {
  readonly id: string;
  readonly claim: JobClaim;
}

/** A worker for one job, and of a job with runs for one run of it. */
export interface OneJobWorker {
  /** Resolves when there is nothing more to do here; never rejects. The caller then drains. */
  readonly over: Promise<void>;
  /** Lets tasks that run end for up to `graceMs`, hands the rest back, and gives the job back. Idempotent. */
  drain(graceMs: number): Promise<OneJobEnd>;
}

/** `ok`: something was done, and nothing died of it. `why` is for people where it is not. */
export type OneJobEnd = { readonly ok: true } | { readonly ok: false; readonly why: string };

/** Goes on with a job that was claimed a moment ago for the worker of this id. */
export async function startOneJobWorker(options: OneJobOptions): Promise<OneJobWorker> {
  const { database, claim, id: workerId, log } = options;
  const hold = { jobId: claim.jobId, workerId };
  let succeeded = 0;
  let dispatch: OneJobDispatch | undefined;
  let outcome: JobLeft | undefined;
  const observe: WorkerObserver = {
    ...options.observe,
    ended(task) {
      options.observe.ended(task);
      if (task.outcome === "succeeded") succeeded += 1;
      dispatch?.look();
    },
  };
  const worker = await startWorker({
    ...options,
    observe,
    openDispatch: (parts) => (dispatch = openOneJobDispatch(parts, claim)),
  });
  const holding = setInterval(() => {
    database
      .asSystem((transaction) => renewHold(transaction, hold))
      .catch((err: unknown) => log.warn({ err }, "the hold on the job could not be renewed"));
  }, RENEW_MS);

  async function drain(graceMs: number): Promise<OneJobEnd> {
    await worker.drain(graceMs);
    clearInterval(holding);
    try {
      return await database.asSystem(async (transaction) => {
        await dropHold(transaction, hold);
        const { status, dead } = await jobSince(transaction, claim);
        return endOf({ status, dead, succeeded, left: outcome });
      });
    } catch (error) {
      return { ok: false, why: `what became of the job can't be told: ${error instanceof Error ? error.message : String(error)}` };
    }
  }

  let draining: Promise<OneJobEnd> | undefined;
  const over = (dispatch?.over ?? Promise.resolve<JobLeft>("done")).then((left) => {
    outcome = left;
  });
  return {
    over,
    drain(graceMs) {
      draining ??= drain(graceMs);
      return draining;
    },
  };
}

function endOf(end: { status: string; dead: number; succeeded: number; left: JobLeft | undefined }): OneJobEnd {
  const failed = (why: string): OneJobEnd => ({ ok: false, why });
  if (end.status === "cancelled" || end.status === "deleted") return failed(`the job was ${end.status}`);
  if (end.dead > 0) return failed(`${end.dead} items of the job failed for good`);
  if (end.left === undefined && end.status === "running")
    return failed("it was stopped before its work had ended, and has handed back the rest");
  if (end.left === "backs_off") return failed("a try failed, and the next one is so far off that it is left to another worker");
  return end.succeeded > 0 ? { ok: true } : failed("its tasks were taken away");
}
