/**
 * Times of the lease. The database's clock decides when a lease ends; a worker only ever uses its own monotonic clock,
 * and only to stop early: it counts the lease from the moment *before* it asked for it, so that it is always the first
 * to know. One renewal may be lost without harm (LEASE_MS / RENEW_MS = 3).
 */
export const LEASE_MS = 15_000;
export const RENEW_MS = 5_000;

/** A worker stops what it runs this long before its lease can have ended. */
export const LEASE_MARGIN_MS = 1_500;

/** How often a worker looks for tasks of its own that were cancelled or taken away; cancel must stop work in ≤ 2 s. */
export const CHECK_MS = 1_000;

/** Expired leases a task may have before it is dead with code `lost`. Apart from attempts: a loss is nobody's fault. */
export const MAX_LOSSES = 5;

/** What a worker must present with every write: the write does nothing if the pair is not current. */
export interface Lease {
  readonly taskId: string;
  readonly epoch: number;
}
