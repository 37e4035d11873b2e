import type { ClaimedTask } from "./task.ts";

/**
 * How a worker learns of ready tasks. It carries pointers, never truth: a lost announcement costs time and a doubled one
 * nothing, because only the claim, in PostgreSQL, decides who has a task. Every implementation passes dispatch.contract.ts.
 */
export interface Dispatch {
  /** These lanes got ready tasks, in a transaction that has committed. Never fails, never waits. */
  announce(lanes: Iterable<string>): void;
  /** Up to `want` tasks for this worker, already claimed; an empty array where there is nothing. */
  take(want: number): Promise<readonly ClaimedTask[]>;
  /**
   * Resolves when there may be something to take: at an announcement, or after the floor that finds what no announcement
   * told of; at once when `signal` aborts.
   */
  wait(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
