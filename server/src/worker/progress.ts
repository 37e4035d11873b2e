import type { Database } from "../db/database.ts";
import type { Lease } from "../queue/lease.ts";
import { recordProgress, type TaskProgress } from "../queue/progress.ts";

/** What a worker tells of batches while they run: one statement for all of them, at most three times a second. */
export interface Progress {
  /** Items that are done. Costs nothing by itself. */
  tell(lease: Lease, itemsDone: number): void;
  /** The task has ended; what was not told yet need not be. */
  forget(lease: Lease): void;
  close(): void;
}

/** A task that ends sooner is never told of: most are. */
const EVERY_MS = 333;

export function openProgress(options: { database: Database; workerId: string; onError: (error: unknown) => void }): Progress {
  const { database, workerId } = options;
  const untold = new Map<string, TaskProgress>();
  let timer: NodeJS.Timeout | undefined;
  let isTelling = false;
  let isClosed = false;

  async function tellAll(): Promise<void> {
    timer = undefined;
    const progress = [...untold.values()];
    untold.clear();
    if (progress.length === 0) return;
    isTelling = true;
    try {
      await database.asSystem((transaction) => recordProgress(transaction, workerId, progress));
    } catch (error) {
      options.onError(error);
    } finally {
      isTelling = false;
      arm();
    }
  }

  function arm(): void {
    if (timer === undefined && !isTelling && !isClosed && untold.size > 0) timer = setTimeout(() => void tellAll(), EVERY_MS);
  }

  return {
    tell(lease, itemsDone) {
      untold.set(keyOf(lease), { ...lease, itemsDone });
      arm();
    },
    forget(lease) {
      untold.delete(keyOf(lease));
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}

function keyOf({ taskId, epoch }: Lease): string {
  return `${taskId}/${epoch}`;
}
