import type { Logger } from "pino";
import { TERMINAL_JOB_STATUSES } from "@filemill/contract/status.ts";
import type { Database } from "../db/database.ts";
import { sampleJobs, type JobSample } from "./sample-jobs.ts";

/** Told when a sample differs from the one before it, at most four times a second a job. Must not throw. */
export type SampleListener = (sample: JobSample) => void;

/**
 * The progress of open jobs as this process knows it: one statement a quarter of a second for all jobs that anybody
 * watches, none while nobody does. Progress never goes backwards: a fan-out adds items and would lower it.
 */
export interface JobSnapshots {
  watchJob(jobId: string, listener: SampleListener): () => void;
  /** All open jobs of a tenant. */
  watchTenant(tenantId: string, listener: SampleListener): () => void;
  /** At most MAX_AGE_MS old; callers at the same moment share one statement. undefined where the tenant has no such job. */
  read(tenantId: string, jobId: string): Promise<JobSample | undefined>;
  close(): Promise<void>;
}

const SAMPLE_MS = 250;
export const MAX_AGE_MS = 1_000;
/** Samples that nobody asked for lately are forgotten. */
const FORGET_MS = 60_000;

interface Kept {
  readonly sample: JobSample;
  /** performance.now() of the statement, ms. */
  readonly at: number;
}

export function createJobSnapshots({ database, log }: { database: Database; log: Logger }): JobSnapshots {
  const byJob = new Map<string, Set<SampleListener>>();
  const byTenant = new Map<string, Set<SampleListener>>();
  const kept = new Map<string, Kept>();
  let timer: NodeJS.Timeout | undefined;
  let sampling: Promise<void> | undefined;
  let asked: { jobIds: Set<string>; answer: Promise<void> } | undefined;
  let closed = false;

  async function sampleWatched(): Promise<void> {
    const jobIds = [...byJob.keys()].filter((jobId) => !hasEnded(kept.get(jobId)?.sample));
    const tenantIds = [...byTenant.keys()];
    if (jobIds.length + tenantIds.length > 0) await sample({ jobIds, tenantIds });
  }

  async function sample(watched: { jobIds: readonly string[]; tenantIds: readonly string[] }): Promise<void> {
    const at = performance.now();
    for (const fresh of await sampleJobs(database, watched)) keep(fresh, at);
  }

  function keep(fresh: JobSample, at: number): void {
    const before = kept.get(fresh.jobId);
    // Two statements may overlap; the one that began first knows less.
    if (before && before.at > at) return;
    const reopened = before !== undefined && hasEnded(before.sample) && !hasEnded(fresh);
    const progress = before && !reopened ? Math.max(before.sample.progress, fresh.progress) : fresh.progress;
    const now = { ...fresh, progress };
    kept.set(fresh.jobId, { sample: now, at });
    if (before && same(before.sample, now)) return;
    for (const listener of byJob.get(now.jobId) ?? []) listener(now);
    for (const listener of byTenant.get(now.tenantId) ?? []) listener(now);
  }

  function tick(): void {
    timer = undefined;
    if (closed || byJob.size + byTenant.size === 0) return;
    sampling = sampleWatched()
      .catch((error: unknown) => log.warn({ err: error }, "the progress of jobs can't be read; trying again"))
      .finally(() => {
        sampling = undefined;
        forget();
        arm();
      });
  }

  function arm(): void {
    if (timer === undefined && sampling === undefined && !closed && byJob.size + byTenant.size > 0) timer = setTimeout(tick, SAMPLE_MS);
  }

  function forget(): void {
    const limit = performance.now() - FORGET_MS;
    for (const [jobId, { at }] of kept) if (at < limit && !byJob.has(jobId)) kept.delete(jobId);
  }

  function add(listeners: Map<string, Set<SampleListener>>, key: string, listener: SampleListener): () => void {
    const set = listeners.get(key) ?? new Set();
    listeners.set(key, set.add(listener));
    arm();
    return () => {
      set.delete(listener);
      if (set.size === 0 && listeners.get(key) === set) listeners.delete(key);
    };
  }

  return {
    watchJob(jobId, listener) {
      // A watch of a job that had ended may follow its retry: what is known may be history.
      if (hasEnded(kept.get(jobId)?.sample)) kept.delete(jobId);
      return add(byJob, jobId, listener);
    },
    watchTenant: (tenantId, listener) => add(byTenant, tenantId, listener),
    async read(tenantId, jobId) {
      const known = kept.get(jobId);
      if (known === undefined || performance.now() - known.at > MAX_AGE_MS) {
        if (asked === undefined) {
          const jobIds = new Set<string>();
          // The statement starts in the next turn, with everybody who asked in this one.
          const answer = Promise.resolve().then(() => {
            asked = undefined;
            return sample({ jobIds: [...jobIds], tenantIds: [] });
          });
          asked = { jobIds, answer };
        }
        asked.jobIds.add(jobId);
        await asked.answer;
      }
      const found = kept.get(jobId)?.sample;
      return found?.tenantId === tenantId ? found : undefined;
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      await sampling;
    },
  };
}

function hasEnded(sample: JobSample | undefined): boolean {
  return sample !== undefined && TERMINAL_JOB_STATUSES.includes(sample.status);
}

function same(one: JobSample, other: JobSample): boolean {
  const counts = JSON.stringify(one.counts) === JSON.stringify(other.counts);
  return one.status === other.status && one.progress === other.progress && counts;
}
