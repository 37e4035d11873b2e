import type { Logger } from "pino";
import { v7 as uuidv7 } from "uuid";
import type { Database } from "../db/database.ts";
import { listen } from "../db/notifications.ts";
import { openNotifier } from "../db/notifier.ts";
import { failpoint } from "../failpoint.ts";
import type { FailureClass } from "../errors.ts";
import { CANCEL_CHANNEL } from "../jobs/cancel.ts";
import type { Catalogue } from "../processors/catalogue.ts";
import type { Sources } from "../jobs/sources/source.ts";
import { RENEW_MS, type Lease } from "../queue/lease.ts";
import type { Dispatch } from "../queue/dispatch.ts";
import { openPostgresDispatch, type PostgresDispatchOptions } from "../queue/postgres-dispatch.ts";
import { release } from "../queue/release.ts";
import { releaseStrays } from "../queue/strays.ts";
import type { ClaimedTask } from "../queue/task.ts";
import { weigh } from "../queue/weigh.ts";
import { EVENTS_CHANNEL } from "../record/events.ts";
import type { ContentStore } from "../storage/content-store.ts";
import { openQuotas } from "../tenants/quotas.ts";
import { openByteBudget } from "./byte-budget.ts";
import { openCommitter } from "./committer.ts";
import { countOutcomes } from "./count-outcomes.ts";
import type { HostPool } from "./host/pool.ts";
import { openLeases } from "./leases.ts";
import { openManifests } from "./manifests.ts";
import { openPlans } from "./plans.ts";
import { openProfileBudget } from "./profile-budget.ts";
import { openProgress } from "./progress.ts";
import { startRecovery } from "./recover.ts";
import { registerWorker, setWorkerStatus, touchWorker } from "./registry.ts";
import type { ResultSecrets } from "./reuse.ts";
import { runTask } from "./run-task.ts";
import type { CollectedObjects, TaskEnd, TaskServices } from "./task-services.ts";

export interface WorkerOptions {
  /** A new one unless told. */
  readonly id?: string;
  /** Where its tasks come from: claims in its lanes unless told. */
  readonly openDispatch?: (options: PostgresDispatchOptions) => Dispatch;
  readonly database: Database;
  readonly contents: ContentStore;
  readonly catalogue: Catalogue;
  readonly sources: Sources;
  readonly hosts: HostPool;
  readonly lanes: readonly string[];
  /** Tasks that run at the same time; the host pool has as many. */
  readonly slots: number;
  /** Use NOTIFY and LISTEN; without, everything is found by polling. */
  readonly notify: boolean;
  /** Where keys for results come from; left out: none is used again. */
  readonly secrets?: ResultSecrets | undefined;
  /** Input bytes that may be fetched ahead; 256 MiB where left out. */
  readonly aheadBytes?: number;
  readonly log: Logger;
  readonly observe: WorkerObserver;
}

/** What metrics are made of; every call must be cheap and never throw. */
export interface WorkerObserver {
  readonly claimed: (claim: { milliseconds: number; tasks: readonly ClaimedTask[] }) => void;
  readonly ended: (task: { kind: ClaimedTask["kind"]; outcome: TaskOutcomeName; milliseconds: number }) => void;
  /** Items, or whole tasks, that failed in an attempt which was committed. */
  readonly failed: (failureClass: FailureClass, count: number) => void;
  readonly leaseLost: (reason: string) => void;
  readonly committed: (commit: { milliseconds: number; succeeded: number; failed: number }) => void;
  readonly reaped: (tasks: number) => void;
  /** Entries of stages that ask for it whose result was there already, and those that had to run. */
  readonly reused?: (entries: { readonly hits: number; readonly misses: number }) => void;
  /** Outputs did not fit into their tenant's quota. */
  readonly quotaRefused?: () => void;
  /** What a collecting task brought. */
  readonly collected?: (objects: CollectedObjects) => void;
}

/** failed: the attempt was committed as one in which nothing succeeded. */
export type TaskOutcomeName = "succeeded" | "failed" | Exclude<TaskEnd, "committed">;

export interface Worker {
  readonly id: string;
  /**
   * Stops claiming, hands back at once what has not started, lets running tasks end for up to `graceMs`, then stops them
   * and hands them back as well. Asked again, it is the same drain, with the shorter grace.
   */
  drain(graceMs: number): Promise<void>;
}

interface RunningTask {
  readonly lease: Lease;
  readonly weight: number;
  readonly giveUp: AbortController;
  readonly ended: Promise<void>;
  /** Has a host begun with it? */
  isStarted: boolean;
  /** Was it committed as an attempt in which nothing succeeded? */
  isUnhappy: boolean;
}

/** A task is prepared while others run; of short tasks several are held ready, so that a slot never waits for a claim. */
const SHORT_TASK_MS = 50;
const MAX_AHEAD = 64;
/** Of their inputs so many bytes, or those of one task, lie on disk before a host has begun with them. */
const AHEAD_BYTES = 256 * 1024 ** 2;
const ERROR_PAUSE_MS = 1_000;
const RELEASE_DELAY_MS = 2_000;
/** After its grace, a drain waits this long for a database that is away. */
const LAST_WAIT_MS = 2_000;

/** Starts claiming at once. Throws where the database can't be reached. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { database, lanes, slots, log, observe } = options;
  const { id = uuidv7(), openDispatch = openPostgresDispatch } = options;
  await registerWorker(database, { id, lanes, slots });
  await failpoint("worker-after-register");
  const warn = (what: string) => (error: unknown) => log.warn({ err: error }, what);
  const notifier = openNotifier(database, { enabled: options.notify, onError: warn("a notification could not be sent") });
  const dispatch = openDispatch({ database, notifier, workerId: id, lanes, slots, notify: options.notify });
  const leases = openLeases({ database, workerId: id, onError: warn("leases could not be renewed or checked") });
  const progress = openProgress({ database, workerId: id, onError: warn("the progress of tasks could not be told") });
  const plans = openPlans(database);
  const manifests = openManifests(database);
  const profiles = openProfileBudget();
  const quotas = openQuotas({ database, log, onRefused: observe.quotaRefused });
  const ahead = openByteBudget(options.aheadBytes ?? AHEAD_BYTES);
  /** By task and epoch: an earlier holding of the same task may still be ending here. */
  const running = new Map<string, RunningTask>();
  const batches = openCommitter({
    ...options,
    workerId: id,
    onSettled: (settled) => {
      observe.committed(settled);
      if (settled.lanes.size > 0) dispatch.announce(settled.lanes);
      if (settled.events) notifier.notify(EVENTS_CHANNEL, "");
    },
  });
  const committer = countOutcomes(batches, ({ taskId, succeeded, failures }) => {
    for (const one of running.values()) if (one.lease.taskId === taskId) one.isUnhappy = !succeeded;
    for (const [failureClass, items] of failures) observe.failed(failureClass, items);
  });
  const announce = (ready: Iterable<string>) => dispatch.announce(ready);
  const services = { ...options, workerId: id, quotas, plans, manifests, committer, ahead, profiles, announce };
  const recovery = startRecovery({ database, workerId: id, committer, plans, announce, onReaped: observe.reaped, log });
  const cancellations = options.notify ? listen(database, { channels: [CANCEL_CHANNEL], onNotification: () => leases.check() }) : undefined;
  const touching = setInterval(() => void touchWorker(database, id).catch(warn("the worker could not report in")), RENEW_MS);

  const stopClaiming = new AbortController();
  /** The last claim failed, and may have committed all the same. */
  let claimUnknown = false;
  let averageMs = 1_000;
  /** Resolves when a place may be free. */
  let placeFreed = Promise.withResolvers<void>();

  const places = () => slots + Math.min(MAX_AHEAD, Math.ceil((slots * SHORT_TASK_MS) / Math.max(1, averageMs)));

  function start(task: ClaimedTask, claimedAt: number): void {
    const lease = { taskId: task.id, epoch: task.epoch };
    const key = `${task.id}/${task.epoch}`;
    const held = leases.add(lease, claimedAt);
    held.addEventListener("abort", () => observe.leaseLost(String(held.reason)), { once: true });
    const giveUp = new AbortController();
    const started = performance.now();
    const onStarted = () => {
      const one = running.get(key);
      if (one) one.isStarted = true;
    };
    const onItems: TaskServices["onItems"] = (done) => progress.tell(lease, done);
    const onReused: TaskServices["onReused"] = (entries) => observe.reused?.(entries);
    const onCollected: TaskServices["onCollected"] = (objects) => observe.collected?.(objects);
    const signal = AbortSignal.any([held, giveUp.signal]);
    const told = { onStarted, onItems, onReused, onCollected };
    const ended = runTask({ ...services, ...told }, task, signal).then(async (end) => {
      leases.remove(lease);
      progress.forget(lease);
      const milliseconds = performance.now() - started;
      // What was handed back at once says nothing about how long tasks take; nor does a source, which needs no host.
      if (end === "committed" && task.kind !== "source") averageMs = averageMs * 0.8 + milliseconds * 0.2;
      const failed = running.get(key)?.isUnhappy;
      observe.ended({ kind: task.kind, outcome: end !== "committed" ? end : failed ? "failed" : "succeeded", milliseconds });
      if (end === "given_up") await handBack(task, giveUp.signal.aborted ? 0 : RELEASE_DELAY_MS);
      running.delete(key);
      placeFreed.resolve();
    });
    running.set(key, { lease, weight: task.weight, giveUp, ended, isStarted: false, isUnhappy: false });
  }

  /** Tries while the database is away and we are not told to go; the fence makes a late call harmless. */
  async function handBack(task: ClaimedTask, delayMs: number): Promise<void> {
    const leasesOf = [{ taskId: task.id, epoch: task.epoch }];
    for (;;) {
      try {
        await failpoint("release-before-commit");
        const held = await database.asSystem((transaction) => release(transaction, { workerId: id, leases: leasesOf, delayMs }));
        await failpoint("release-after-commit");
        if (held.size > 0 && delayMs === 0) dispatch.announce([task.lane]);
        return;
      } catch (error) {
        warn("a task could not be handed back")(error);
        if (stopClaiming.signal.aborted) return;
        await new Promise((resolve) => setTimeout(resolve, ERROR_PAUSE_MS));
      }
    }
  }

  async function claimOnce(): Promise<void> {
    const want = places() - weigh([...running.values()], slots);
    if (want <= 0) {
      placeFreed = Promise.withResolvers<void>();
      await placeFreed.promise;
      return;
    }
    if (claimUnknown) await handBackStrays();
    const claimedAt = performance.now();
    claimUnknown = true;
    const tasks = await dispatch.take(want);
    claimUnknown = false;
    if (tasks.length > 0) await failpoint("claim-after-commit");
    observe.claimed({ milliseconds: performance.now() - claimedAt, tasks });
    for (const task of tasks) start(task, claimedAt);
    if (tasks.length === 0) await dispatch.wait(stopClaiming.signal);
  }

  async function handBackStrays(): Promise<void> {
    const known = [...running.values()].map((task) => task.lease);
    const strays = await database.asSystem((transaction) => releaseStrays(transaction, id, known));
    if (strays.size > 0) log.warn({ lanes: [...strays] }, "tasks were claimed whose answer was lost; they are handed back");
    claimUnknown = false;
  }

  async function claimForever(): Promise<void> {
    while (!stopClaiming.signal.aborted) {
      try {
        await claimOnce();
      } catch (error) {
        warn("claiming failed; trying again")(error);
        await new Promise((resolve) => setTimeout(resolve, ERROR_PAUSE_MS * (0.5 + Math.random())));
      }
    }
  }

  const claiming = claimForever();

  /** When running tasks are stopped; a later drain may only bring it forward. */
  let graceEndsAt = Infinity;
  let grace: NodeJS.Timeout | undefined;
  const lastWait = new AbortController();

  function endGraceIn(graceMs: number): void {
    if (performance.now() + graceMs >= graceEndsAt) return;
    graceEndsAt = performance.now() + graceMs;
    clearTimeout(grace);
    grace = setTimeout(() => {
      for (const task of running.values()) task.giveUp.abort("drain");
      setTimeout(() => lastWait.abort(), LAST_WAIT_MS).unref();
    }, graceMs);
  }

  async function drain(): Promise<void> {
    stopClaiming.abort();
    placeFreed.resolve();
    for (const task of running.values()) if (!task.isStarted) task.giveUp.abort("drain");
    await claiming;
    for (const task of running.values()) if (!task.isStarted) task.giveUp.abort("drain");
    await setWorkerStatus(database, id, "draining").catch(warn("the worker could not report that it drains"));
    const all = () => Promise.all([...running.values()].map((task) => task.ended));
    await Promise.all([all(), committer.close(lastWait.signal)]);
    clearInterval(touching);
    await recovery.close();
    await committer.close(lastWait.signal);
    clearTimeout(grace);
    leases.close();
    progress.close();
    await quotas.close();
    await cancellations?.close();
    await dispatch.close();
    await notifier.close();
    await failpoint("drain-before-gone");
    await setWorkerStatus(database, id, "gone").catch(warn("the worker could not report that it is gone"));
  }

  let draining: Promise<void> | undefined;
  return {
    id,
    drain(graceMs) {
      endGraceIn(graceMs);
      draining ??= drain();
      return draining;
    },
  };
}
