import type { Database } from "../db/database.ts";
import { failpoint } from "../failpoint.ts";
import { startJobs, type StartedJob } from "../jobs/start.ts";

/** The plans of the jobs that this worker has met lately; meeting one marks it running. */
export interface Plans {
  /** Undefined where the job is gone. */
  of(jobId: string): Promise<StartedJob | undefined>;
}

const KEEP_PLANS = 1_000;

export function openPlans(database: Database): Plans {
  const known = new Map<string, Promise<StartedJob | undefined>>();
  let asked: { jobIds: Set<string>; answer: Promise<Map<string, StartedJob>> } | undefined;

  /** All jobs asked for within one turn of the event loop are read by one statement. */
  function load(jobId: string): Promise<StartedJob | undefined> {
    if (!asked) {
      const jobIds = new Set<string>();
      const answer = Promise.resolve().then(async () => {
        asked = undefined;
        const jobs = await database.asSystem(async (transaction) => {
          const started = await startJobs(transaction, [...jobIds]);
          await failpoint("start-before-commit");
          return started;
        });
        return new Map(jobs.map((job) => [job.jobId, job]));
      });
      asked = { jobIds, answer };
    }
    asked.jobIds.add(jobId);
    return asked.answer.then((jobs) => jobs.get(jobId));
  }

  return {
    of(jobId) {
      const cached = known.get(jobId);
      if (cached) return cached;
      const loaded = load(jobId);
      known.set(jobId, loaded);
      loaded.then(
        (job) => {
          // A job that ended may be reopened by a retry, so only a live answer is kept.
          if (job?.status !== "running") known.delete(jobId);
        },
        () => known.delete(jobId),
      );
      const oldest = known.size > KEEP_PLANS ? known.keys().next().value : undefined;
      if (oldest !== undefined) known.delete(oldest);
      return loaded;
    },
  };
}
