import type { Logger } from "pino";
import { LONG_STATEMENT_MS, type Database } from "../db/database.ts";
import { isDatabaseAway } from "../db/database-errors.ts";
import { sql } from "../db/sql.ts";
import { failpoint } from "../failpoint.ts";
import type { FinishedTask } from "../jobs/advance/outcome.ts";
import { settle, type Settled } from "../jobs/advance/settle.ts";
import { JobsCancelled } from "../jobs/advance/stage-rows.ts";
import { sweepTasks } from "../jobs/cancel.ts";
import { recordCollected, type CollectedItem } from "../jobs/sources/collection.ts";
import { keepHandedOn, recordOutputs, type OutputRow } from "../outputs/record.ts";
import { rememberResults, type ResultRow } from "../outputs/result-cache.ts";
import { hold } from "../queue/hold.ts";
import { insertFiles } from "../record/files.ts";
import type { ContentStore } from "../storage/content-store.ts";
import type { StoredFile } from "../record/files.ts";
import { settleReservations, type Reservation } from "../tenants/quota-reservation.ts";

/** All that becomes true, or not, with one task. */
export interface Completion {
  readonly finished: FinishedTask;
  /** New files whose bytes are durable already. */
  readonly files: readonly StoredFile[];
  readonly outputs: readonly OutputRow[];
  /** Room for the files. The committer's from here on: it ends with the commit, or is given back. */
  readonly reservation?: Reservation;
  /** Results that may be used again. */
  readonly remember?: readonly ResultRow[];
  /** Of tasks that collect: what became of their references. */
  readonly collected?: readonly CollectedItem[];
}

/** not_ours: the fence held, or the job was cancelled; nothing of the completion is visible and its objects are gone. */
export type CommitResult = "committed" | "not_ours";

/**
 * Writes completions. Those that wait in one worker share one transaction: a single commit costs an fsync whatever its
 * size, and two completers on one job would only queue behind each other. While a transaction runs the next batch gathers.
 */
export interface Committer {
  /**
   * Waits as long as the database is away. Rejects where the database refuses this very completion; the caller must then
   * report the task as failed.
   */
  commit(completion: Completion): Promise<CommitResult>;
  /** Waits for what is under way; what still waits for the database when `signal` aborts is given up, and others redo it. */
  close(signal?: AbortSignal): Promise<void>;
}

export interface CommitterOptions {
  readonly database: Database;
  readonly contents: ContentStore;
  readonly workerId: string;
  readonly log: Logger;
  /** After each commit. */
  readonly onSettled: (settled: Settled & { readonly milliseconds: number }) => void;
}

/** Tasks a transaction: 64 measured 11,007 tasks/s on one job where 16 gave 5,254; more only makes others wait longer. */
const MAX_BATCH = 64;
const AWAY_RETRY_MS = 500;
/** The end of a fan-out may make very many tasks; a commit that always ran out of time would be tried for ever. */
const LIMITS = { statementMs: LONG_STATEMENT_MS };

interface Waiting {
  readonly completion: Completion;
  readonly done: PromiseWithResolvers<CommitResult>;
}

export function openCommitter(options: CommitterOptions): Committer {
  const waiting: Waiting[] = [];
  const giveUp = new AbortController();
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    while (waiting.length > 0) await commitBatch({ ...options, giveUp: giveUp.signal }, waiting.splice(0, MAX_BATCH));
    running = undefined;
  }

  return {
    commit(completion) {
      const done = Promise.withResolvers<CommitResult>();
      const { reservation } = completion;
      const giveBack = () => reservation?.release();
      done.promise.then((result) => (result === "committed" ? reservation?.settled() : giveBack()), giveBack);
      waiting.push({ completion, done });
      running ??= Promise.resolve().then(run);
      return done.promise;
    },
    async close(signal) {
      signal?.addEventListener("abort", () => giveUp.abort(), { once: true });
      if (signal?.aborted) giveUp.abort();
      await running;
    },
  };
}

/** Settles every promise of the batch, whatever happens. */
async function commitBatch(options: BatchOptions, batch: readonly Waiting[]): Promise<void> {
  let rest = await dropOvertaken(options, batch);
  while (rest.length > 0) {
    try {
      await commitOnce(options, rest);
      return;
    } catch (error) {
      if (error instanceof JobsCancelled) rest = await dropCancelled(options, rest, error.jobIds);
      else if (isDatabaseAway(error)) {
        // Their bytes stay: a COMMIT whose answer was lost may have made them visible. Garbage collection knows.
        if (options.giveUp.aborted) return rest.forEach(({ done }) => done.resolve("not_ours"));
        options.log.warn({ err: error, tasks: rest.length }, "the database is away; completions wait");
        await new Promise((resolve) => setTimeout(resolve, AWAY_RETRY_MS * (0.5 + Math.random())));
      } else if (rest.length > 1) {
        // One that the database refuses must not take the others with it.
        for (const one of rest) await commitBatch(options, [one]);
        return;
      } else {
        rest[0]?.done.reject(error);
        return;
      }
    }
  }
}

interface BatchOptions extends CommitterOptions {
  readonly giveUp: AbortSignal;
}

/**
 * Of several completions of one task only the latest epoch can be current; the others must not even come into the same
 * transaction, where the fence would hold the task for all of them.
 */
async function dropOvertaken(options: CommitterOptions, batch: readonly Waiting[]): Promise<Waiting[]> {
  const latest = new Map<string, number>();
  for (const {
    completion: { finished },
  } of batch) {
    const { id, epoch } = finished.task;
    latest.set(id, Math.max(epoch, latest.get(id) ?? epoch));
  }
  const current: Waiting[] = [];
  for (const one of batch) {
    const { id, epoch } = one.completion.finished.task;
    if (latest.get(id) === epoch && !current.some((other) => other.completion.finished.task.id === id)) current.push(one);
    else one.done.resolve(await discard(options, one.completion));
  }
  return current;
}

async function commitOnce(options: CommitterOptions, batch: readonly Waiting[]): Promise<void> {
  const { database, workerId } = options;
  const started = performance.now();
  const { held, settled } = await database.asSystem(async (transaction) => {
    const leases = batch.map(({ completion: { finished } }) => ({ taskId: finished.task.id, epoch: finished.task.epoch }));
    const ours = await hold(transaction, workerId, leases);
    const current = batch.filter(({ completion }) => ours.has(completion.finished.task.id)).map(({ completion }) => completion);
    if (current.length === 0) return { held: ours, settled: undefined };
    await failpoint("commit-after-hold");
    await settleReservations(
      transaction,
      current.map(({ reservation }) => reservation?.id),
    );
    await insertFiles(
      transaction,
      current.flatMap(({ files, finished }) => files.map((file) => ({ ...file, keepMs: finished.plan.retentionMs }))),
    );
    await recordOutputs(
      transaction,
      current.flatMap((completion) => completion.outputs),
    );
    await keepHandedOn(transaction, handedOn(current));
    await rememberResults(
      transaction,
      current.flatMap((completion) => completion.remember ?? []),
    );
    const result = await settle(
      transaction,
      current.map((completion) => completion.finished),
    );
    await recordCollected(
      transaction,
      current.flatMap((completion) => completion.collected ?? []),
    );
    await failpoint("commit-before-commit");
    return { held: ours, settled: result };
  }, LIMITS);
  await failpoint("commit-after-commit");
  if (settled) options.onSettled({ ...settled, milliseconds: performance.now() - started });
  for (const { completion, done } of batch) {
    if (held.has(completion.finished.task.id)) done.resolve("committed");
    else done.resolve(await discard(options, completion));
  }
}

/** Kept outputs that are files of an earlier stage, passed on unchanged. */
function handedOn(completions: readonly Completion[]): string[] {
  const made = new Set(completions.flatMap(({ files }) => files.map((file) => file.id)));
  return completions.flatMap(({ outputs }) =>
    outputs.filter((output) => output.kept && !made.has(output.fileId)).map((output) => output.fileId),
  );
}

async function dropCancelled(options: CommitterOptions, batch: readonly Waiting[], jobIds: ReadonlySet<string>): Promise<Waiting[]> {
  const rest: Waiting[] = [];
  for (const one of batch) {
    if (!jobIds.has(one.completion.finished.task.jobId)) rest.push(one);
    else one.done.resolve(await discard(options, one.completion));
  }
  // The cancellation may have died between its two transactions; see jobs/cancel.ts.
  await options.database
    .asSystem((transaction) => sweepTasks(transaction, [...jobIds]))
    .catch((error: unknown) => {
      options.log.warn({ err: error }, "could not sweep the tasks of a cancelled job");
    });
  return rest;
}

/**
 * Deletes the objects of a completion that did not become true. "Not held" may also mean that it did, and that the answer
 * to the COMMIT was lost: then the rows are there, and the objects stay.
 */
async function discard({ database, contents, log }: CommitterOptions, { files }: Completion): Promise<CommitResult> {
  const segments = files.flatMap(({ content }) => ("segments" in content ? content.segments : []));
  const keys = segments.map(({ key }) => key);
  if (keys.length === 0) return "not_ours";
  try {
    const rows = await database.asSystem((transaction) =>
      transaction.query<{ key: string }>(sql`SELECT object_key AS key FROM segments WHERE object_key = ANY(${keys}::text[])`),
    );
    const visible = new Set(rows.map((row) => row.key));
    await failpoint("discard-before-delete");
    await contents.discard({ segments: segments.filter(({ key }) => !visible.has(key)) });
    return visible.size > 0 ? "committed" : "not_ours";
  } catch (error) {
    // Without a row they are found by garbage collection.
    log.warn({ err: error, keys }, "could not delete the objects of a task that was taken away");
    return "not_ours";
  }
}
