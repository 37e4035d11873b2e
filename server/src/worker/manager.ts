import type { Logger } from "pino";
import type { SupervisedChild } from "../supervisor.ts";
import type { ReadyMessage } from "../supervisor-messages.ts";

export interface ManagerOptions {
  /** Workers to begin with. */
  readonly count: number;
  /** Starts one under this name. */
  readonly start: (name: string) => SupervisedChild;
  readonly log: Logger;
  /** What a worker that is too many may take to end what it has begun; 10 min unless told. */
  readonly drainMs?: number;
}

/** The worker processes of one machine: as many as somebody wants, now. */
export interface WorkerManager {
  /** Of those it began with. Rejects where one can't start, which is a mistake in the set-up. */
  readonly ready: readonly Promise<ReadyMessage>[];
  /**
   * Starts what is missing, or lets the newest go: they take nothing new and end what they have begun. Both go on after
   * this returns; gives how many were wanted before.
   */
  resize(count: number): number;
  /** What each has measured, as text for Prometheus; those that end included. */
  measure(): Promise<string[]>;
  /** For all, also those that are still ending; see SupervisedChild.stop. */
  stop(timeoutMs: number): Promise<void>;
  killNow(): void;
}

/** Longer than most tasks run; what has not ended by then is handed back, which costs no attempt. */
const DRAIN_MS = 600_000;

export function manageWorkers({ count: first, start, log, drainMs = DRAIN_MS }: ManagerOptions): WorkerManager {
  /** By number, from 1; the number is free again when the process has ended. */
  const wanted = new Map<number, SupervisedChild>();
  const ending = new Map<number, SupervisedChild>();
  let isResized = false;
  let stopped = false;

  function add(): SupervisedChild {
    let number = 1;
    while (wanted.has(number) || ending.has(number)) number += 1;
    const worker = start(`worker ${number}`);
    wanted.set(number, worker);
    worker.ready.catch((error: unknown) => {
      if (wanted.get(number) === worker) wanted.delete(number);
      // Those of the start end everything there, where their `ready` is awaited.
      if (isResized && !stopped) log.error({ err: error, worker: number }, "a further worker could not be started");
    });
    return worker;
  }

  function letGo(): void {
    const number = Math.max(...wanted.keys());
    const worker = wanted.get(number);
    if (worker === undefined) return;
    wanted.delete(number);
    ending.set(number, worker);
    void worker.drain(drainMs).then(() => ending.delete(number));
  }

  const everyone = () => [...wanted, ...ending].toSorted(([one], [other]) => one - other);
  const ready = Array.from({ length: first }, () => add().ready);
  return {
    ready,
    resize(count) {
      const was = wanted.size;
      if (stopped) return was;
      isResized = true;
      while (wanted.size < count) add();
      while (wanted.size > count) letGo();
      if (was !== count) log.info({ was, count }, "the number of workers changes");
      return was;
    },
    measure: () => Promise.all(everyone().map(([number, worker]) => worker.measure({ worker: String(number) }))),
    async stop(timeoutMs) {
      stopped = true;
      await Promise.all(everyone().map(([, worker]) => worker.stop(timeoutMs)));
    },
    killNow() {
      stopped = true;
      for (const [, worker] of everyone()) worker.killNow();
    },
  };
}
