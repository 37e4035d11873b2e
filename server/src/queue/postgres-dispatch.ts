import type { Database } from "../db/database.ts";
import { listen } from "../db/notifications.ts";
import type { Notifier } from "../db/notifier.ts";
import { claim } from "./claim.ts";
import type { Dispatch } from "./dispatch.ts";
import { FIRST_CURSOR, type Cursor } from "./ring.ts";
import type { ClaimedTask } from "./task.ts";
import { weigh } from "./weigh.ts";

export const READY_CHANNEL = "filemill_ready";

/** With notifications the floor only finds what a broken listener missed, and costs most of an idle worker's time; without them it is how work is found. */
const FLOOR_MS = 5_000;
const FLOOR_WITHOUT_NOTIFY_MS = 250;

export interface PostgresDispatchOptions {
  readonly database: Database;
  readonly notifier: Notifier;
  readonly workerId: string;
  readonly lanes: readonly string[];
  /** Places of the worker. */
  readonly slots?: number;
  readonly notify: boolean;
  /** Told of every take: how long it was and how many tasks it gave. */
  readonly onClaim?: (milliseconds: number, tasks: number) => void;
}

/**
 * Dispatch by PostgreSQL alone: batched claims, woken by NOTIFY, with jittered polling as the floor. Lanes take turns at
 * being first, so that a busy one can't starve the others.
 */
export function openPostgresDispatch(options: PostgresDispatchOptions): Dispatch {
  const { database, notifier, workerId, lanes } = options;
  const cursors = new Map<string, Cursor>();
  let turn = 0;
  let failure: { readonly error: unknown } | undefined;
  let wake: (() => void) | undefined;
  /** An announcement that came while nobody waited. */
  let announced = false;

  const wakeUp = () => {
    announced = true;
    wake?.();
  };
  const listener = options.notify
    ? listen(database, {
        channels: [READY_CHANNEL],
        onNotification: (_channel, lane) => {
          if (lanes.includes(lane)) wakeUp();
        },
        onUp: wakeUp,
      })
    : undefined;

  return {
    announce(ready) {
      for (const lane of ready) {
        if (lanes.includes(lane)) wakeUp();
        notifier.notify(READY_CHANNEL, lane);
      }
    },
    async take(want) {
      const before = failure;
      failure = undefined;
      if (before !== undefined) throw before.error;
      const started = performance.now();
      const tasks: ClaimedTask[] = [];
      turn = (turn + 1) % lanes.length;
      for (let offset = 0; offset < lanes.length && weigh(tasks, options.slots) < want; offset++) {
        const lane = lanes[(turn + offset) % lanes.length] ?? "";
        const cursor = cursors.get(lane) ?? FIRST_CURSOR;
        try {
          const taken = await database.asSystem((transaction) =>
            claim(transaction, { workerId, lane, cursor, want: want - weigh(tasks, options.slots), slots: options.slots }),
          );
          cursors.set(lane, taken.cursor);
          tasks.push(...taken.tasks);
        } catch (error) {
          // What an earlier lane gave is leased to us already; to drop it would cost each task its lease and a loss. The
          // caller hears of the error with the next call, since this claim too may have committed.
          if (tasks.length === 0) throw error;
          failure = { error };
          break;
        }
      }
      options.onClaim?.(performance.now() - started, tasks.length);
      return tasks;
    },
    wait(signal) {
      return new Promise((resolve) => {
        const floorMs = (options.notify ? FLOOR_MS : FLOOR_WITHOUT_NOTIFY_MS) * (0.75 + Math.random() / 2);
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener("abort", done);
          wake = undefined;
          announced = false;
          resolve();
        };
        const timer = setTimeout(done, floorMs);
        if (announced || signal.aborted) return done();
        wake = done;
        signal.addEventListener("abort", done, { once: true });
      });
    },
    async close() {
      await listener?.close();
    },
  };
}
