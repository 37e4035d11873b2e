import { setTimeout as delay } from "node:timers/promises";
import type { JobSummary } from "@filemill/contract/jobs.ts";
import { findJob, MADE_BY } from "../job-record.ts";
import { copyJob, type Copying } from "./copy-job.ts";

const LOOK_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
/** Jobs that each look sees again, the newest; older ones only while something of them is missing. */
const NEWEST = 100;

/**
 * Copies the texts that runs have stored on the platform into the container, until it is closed. It remembers nothing that
 * it could not find out again: the platform says which jobs there are, the container what is copied. A look that failed
 * anywhere is repeated after a growing pause; what succeeded in it stays.
 */
export function startCopying(copying: Omit<Copying, "signal"> & { readonly warn: (error: unknown, message: string) => void }): {
  close(): Promise<void>;
} {
  const closing = new AbortController();
  const { signal } = closing;
  /** Ids of jobs that were not complete at the last look. */
  const open = new Set<string>();
  let hasSeenAll = false;

  async function look(): Promise<void> {
    const failures: unknown[] = [];
    for (const job of await jobsToLookAt()) {
      open.add(job.id);
      try {
        if (await copyJob({ ...copying, signal }, job)) open.delete(job.id);
      } catch (error) {
        failures.push(error);
      }
    }
    hasSeenAll = true;
    if (failures.length > 0) throw failures[0];
  }

  async function jobsToLookAt(): Promise<JobSummary[]> {
    const jobs: JobSummary[] = [];
    for await (const job of copying.client.jobs.list({ metadata: MADE_BY, limit: NEWEST })) {
      jobs.push(job);
      if (hasSeenAll && jobs.length === NEWEST) break;
    }
    const listed = new Set(jobs.map(({ id }) => id));
    for (const id of open) {
      if (listed.has(id)) continue;
      const job = await findJob(copying.client, id);
      if (job) jobs.push(job);
      else open.delete(id);
    }
    return jobs;
  }

  async function run(): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        await look();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        copying.warn(error, "texts could not be copied; they are tried again");
      }
      await delay(Math.min(LOOK_MS * 2 ** failures, LONGEST_PAUSE_MS), undefined, { signal }).catch(() => undefined);
    }
  }

  const running = run();
  return {
    close() {
      closing.abort();
      return running;
    },
  };
}
