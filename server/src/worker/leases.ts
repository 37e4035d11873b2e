import type { Database } from "../db/database.ts";
import { CHECK_MS, LEASE_MARGIN_MS, LEASE_MS, RENEW_MS, type Lease } from "../queue/lease.ts";
import { lostLeases, renew } from "../queue/renew.ts";

/** Why work on a task was stopped: it is no longer ours, or we can't be sure that it still is. */
export type StopReason = "taken" | "lease_ended";

/**
 * The leases that this worker holds, renewed together. Each has a signal that aborts when the task was cancelled or taken
 * away (seen within CHECK_MS), or when our own monotonic clock says that the lease may have ended: counted from before
 * the claim or renewal was sent, so always before anybody else may have the task.
 */
export interface Leases {
  /** `claimedAt` is performance.now() from before the claim was sent. */
  add(lease: Lease, claimedAt: number): AbortSignal;
  /** Of exactly this epoch: a run that ends late must not take its successor's lease with it. */
  remove(lease: Lease): void;
  held(): Lease[];
  /** Looks at once, for example because a cancellation was announced. */
  check(): void;
  close(): void;
}

interface Held {
  readonly lease: Lease;
  readonly stop: AbortController;
  endsAt: number;
}

export function openLeases(options: { database: Database; workerId: string; onError: (error: unknown) => void }): Leases {
  const { database, workerId } = options;
  const held = new Map<string, Held>();
  let renewing = false;
  let checking = false;

  function stopLost(lost: ReadonlySet<string>, asked: readonly Held[]): void {
    for (const one of asked) if (lost.has(one.lease.taskId)) stop(one, "taken");
  }

  function stop(one: Held, reason: StopReason): void {
    if (held.get(one.lease.taskId) === one) held.delete(one.lease.taskId);
    one.stop.abort(reason);
  }

  async function renewAll(): Promise<void> {
    const asked = [...held.values()];
    if (renewing || asked.length === 0) return;
    renewing = true;
    const sentAt = performance.now();
    try {
      const leases = asked.map((one) => one.lease);
      const { renewed, lost } = await database.asSystem((transaction) => renew(transaction, workerId, leases));
      for (const one of asked) if (renewed.has(one.lease.taskId)) one.endsAt = sentAt + LEASE_MS - LEASE_MARGIN_MS;
      stopLost(lost, asked);
    } catch (error) {
      options.onError(error);
    } finally {
      renewing = false;
    }
  }

  async function checkAll(): Promise<void> {
    const now = performance.now();
    for (const one of held.values()) if (one.endsAt <= now) stop(one, "lease_ended");
    const asked = [...held.values()];
    if (checking || asked.length === 0) return;
    checking = true;
    try {
      stopLost(
        await database.asSystem((transaction) =>
          lostLeases(
            transaction,
            workerId,
            asked.map((one) => one.lease),
          ),
        ),
        asked,
      );
    } catch (error) {
      options.onError(error);
    } finally {
      checking = false;
    }
  }

  const timers = [setInterval(() => void renewAll(), RENEW_MS), setInterval(() => void checkAll(), CHECK_MS)];
  return {
    add(lease, claimedAt) {
      const one = { lease, stop: new AbortController(), endsAt: claimedAt + LEASE_MS - LEASE_MARGIN_MS };
      held.set(lease.taskId, one);
      return one.stop.signal;
    },
    remove(lease) {
      if (held.get(lease.taskId)?.lease.epoch === lease.epoch) held.delete(lease.taskId);
    },
    held: () => [...held.values()].map((one) => one.lease),
    check: () => void checkAll(),
    close() {
      for (const timer of timers) clearInterval(timer);
    },
  };
}
