import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import { failpoint } from "../failpoint.ts";
import { LEASE_MS } from "../queue/lease.ts";
import { adoptExpired, endBackoffs, reapExpired } from "../queue/reap.ts";
import { isRecoveryDue } from "../queue/recovery-due.ts";
import type { ClaimedTask } from "../queue/task.ts";
import type { Committer } from "./committer.ts";
import type { Plans } from "./plans.ts";

export interface RecoveryOptions {
  readonly database: Database;
  readonly workerId: string;
  readonly committer: Committer;
  readonly plans: Plans;
  readonly announce: (lanes: Iterable<string>) => void;
  readonly onReaped: (tasks: number) => void;
  readonly log: Logger;
}

/** A lease (15 s) and this (at most 3.75 s) and the next claim must stay under 20 s; each look costs an idle worker 3 ms of CPU. */
const EVERY_MS = 3_000;

/**
 * Every worker looks after the dead: expired leases become ready again or are buried, backoffs end. After the database was
 * away it waits one lease time before it reaps, because nobody could renew meanwhile.
 */
export function startRecovery(options: RecoveryOptions): { close(): Promise<void> } {
  const stop = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let round = Promise.resolve();
  let reapFrom = 0;

  async function once(): Promise<void> {
    try {
      if (!(await options.database.asSystem(isRecoveryDue))) return;
      const lanes = await options.database.asSystem(endBackoffs);
      if (performance.now() >= reapFrom) for (const lane of await reap(options)) lanes.add(lane);
      if (lanes.size > 0) options.announce(lanes);
    } catch (error) {
      reapFrom = performance.now() + LEASE_MS;
      options.log.warn({ err: error }, "looking for expired leases failed; the next try waits one lease time");
    }
  }

  function schedule(): void {
    if (stop.signal.aborted) return;
    timer = setTimeout(
      () => {
        round = once().then(schedule);
      },
      EVERY_MS * (0.75 + Math.random() / 2),
    );
  }

  schedule();
  return {
    async close() {
      stop.abort();
      clearTimeout(timer);
      await round;
    },
  };
}

async function reap(options: RecoveryOptions): Promise<Set<string>> {
  const { lanes, reaped } = await options.database.asSystem(async (transaction) => {
    const expired = await reapExpired(transaction);
    if (expired.reaped > 0) await failpoint("reap-before-commit");
    return expired;
  });
  if (reaped > 0) await failpoint("reap-after-commit");
  const adopted = await options.database.asSystem((transaction) => adoptExpired(transaction, options.workerId));
  if (reaped + adopted.length > 0) {
    options.log.warn({ reaped, buriedOrSplit: adopted.length }, "leases had expired");
    options.onReaped(reaped + adopted.length);
  }
  if (adopted.length > 0) await failpoint("adopt-after-commit");
  for (const task of adopted) await bury(options, task);
  return lanes;
}

/** Dead if it is one item or a reduce; a batch is split (jobs/advance/decide.ts). */
async function bury({ plans, committer, log }: RecoveryOptions, task: ClaimedTask): Promise<void> {
  const plan = (await plans.of(task.jobId))?.plan;
  if (!plan) return;
  const message = "The workers that ran this task died again and again.";
  const failure = { class: "lost" as const, code: "lost" as const, message };
  await committer
    .commit({ finished: { task, plan, outcome: { type: "failed", failure, step: null, culprit: undefined } }, files: [], outputs: [] })
    .catch((error: unknown) => log.error({ err: error, taskId: task.id }, "a lost task could not be buried"));
}
