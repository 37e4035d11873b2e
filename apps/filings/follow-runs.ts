import type { JobSummary, TaskResource } from "@filemill/contract/jobs.ts";
import type { Client } from "@filemill/sdk/client.ts";
import { AppError } from "../start/app-error.ts";
import { isOver, MADE_BY } from "./job-record.ts";
import type { RunFigures } from "./run-figures.ts";
import type { Texts } from "./texts.ts";

export interface RunsFollowed {
  /** Resolves when all that jobs' records say now is in the figures. Calls at the same time share one look. */
  catchUp(): Promise<void>;
}

/** What of a job is in the figures already. */
interface Told {
  /** Claims and losses of its tasks, all together: each is counted once, whatever task it was of. */
  claims: number;
  losses: number;
  /** Documents whose texts are where clients find them. */
  stored: number;
  readonly endedTasks: Set<string>;
  status: JobSummary["status"];
  isActive: boolean;
  /** The job has ended, and nothing of it is on its way any more. */
  isSettled: boolean;
}

interface Following {
  readonly client: Client;
  readonly texts: Texts;
  readonly figures: RunFigures;
}

const PAGE = 100;

/** Reads the records of this app's jobs, and of ended ones once. */
export function followRuns({ client, texts, figures }: Following): RunsFollowed {
  const known = new Map<string, Told>();
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    for await (const job of client.jobs.list({ metadata: MADE_BY, limit: PAGE })) {
      const told = known.get(job.id) ?? newTold();
      if (told.isSettled) continue;
      known.set(job.id, told);
      await tell(job, told);
    }
    const all = [...known.values()];
    figures.jobsAre({
      active: all.filter((told) => told.isActive).length,
      pending: all.filter((told) => !told.isActive && !told.isSettled).length,
      completed: all.filter((told) => told.isSettled && told.status === "completed").length,
    });
  }

  async function tell(job: JobSummary, told: Told): Promise<void> {
    const tasks = await Array.fromAsync(client.jobs.tasks(job.id, { limit: 1_000 }));
    const claims = tasks.reduce((sum, { epoch }) => sum + epoch, 0);
    const losses = tasks.reduce((sum, task) => sum + task.losses, 0);
    figures.claimed(Math.max(0, claims - told.claims));
    figures.lost(Math.max(0, losses - told.losses));
    for (const task of tasks) {
      if (told.endedTasks.has(task.id) || (task.status !== "succeeded" && task.status !== "dead")) continue;
      told.endedTasks.add(task.id);
      const run = { documents: task.items, seconds: secondsOf(task) };
      figures.ran({ ...run, ended: task.status === "dead" ? "failed" : "completed" });
      if (task.status === "succeeded") texts.runEnded(run);
    }
    const stored = Math.max(told.stored, await storedOf(job, told));
    figures.stored(stored - told.stored);
    if (job.status === "failed" && told.status !== "failed") figures.jobFailed();
    told.claims = Math.max(told.claims, claims);
    told.losses = Math.max(told.losses, losses);
    told.stored = stored;
    told.status = job.status;
    told.isActive = tasks.some(({ status }) => status === "running");
    told.isSettled = isOver(job.status) && stored >= job.counts.succeeded;
  }

  /** What was known before, where it can't be known now: other figures are not to wait for it. */
  async function storedOf(job: JobSummary, told: Told): Promise<number> {
    try {
      return Math.min((await texts.kept(job)).count, job.counts.succeeded);
    } catch (error) {
      if (error instanceof AppError) return told.stored;
      throw error;
    }
  }

  return {
    catchUp() {
      looking ??= look().finally(() => (looking = undefined));
      return looking;
    },
  };
}

function newTold(): Told {
  return { claims: 0, losses: 0, stored: 0, endedTasks: new Set(), status: "queued", isActive: false, isSettled: false };
}

function secondsOf({ started_at, finished_at }: TaskResource): number {
  if (started_at === null || finished_at === null) return 0;
  return Math.max(0, Date.parse(finished_at) - Date.parse(started_at)) / 1_000;
}
