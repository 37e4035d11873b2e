import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import { listen } from "../db/notifications.ts";
import { EVENTS_CHANNEL } from "../record/events.ts";
import type { Position } from "./position.ts";
import { currentPosition, readNewEvents, type StoredEvent } from "./read-events.ts";

/** Told of what is new for it: a batch leads from `before` to `after`. Must not throw. */
export type Listener = (batch: { readonly events: readonly StoredEvent[]; readonly before: Position; readonly after: Position }) => void;

export interface Subscription {
  /** The listener is told of everything behind this place; what lies before it is to be replayed. */
  readonly from: Position;
  end(): void;
}

/**
 * The one reader of events in a process, whatever the number of people who watch. It reads only while somebody
 * listens: every POLL_MS, and at once when woken.
 */
export interface EventReader {
  /** Rejects where the database can't be reached. `jobId` narrows to one job. */
  subscribe(interest: { tenantId: string; jobId: string | undefined }, listener: Listener): Promise<Subscription>;
  /** Something was written, says whoever knows (NOTIFY, this process's own commits); never needed, only faster. */
  wake(): void;
  close(): Promise<void>;
}

const POLL_MS = 250;
/** Between two reads also when woken all the time: more would cost the database and nobody would see it. */
const MIN_GAP_MS = 20;
const AFTER_FAILURE_MS = 1_000;

interface Subscriber {
  readonly tenantId: string;
  readonly jobId: string | undefined;
  readonly listener: Listener;
}

export function createEventReader(options: { database: Database; log: Logger; listen: boolean }): EventReader {
  const { database, log } = options;
  const subscribers = new Set<Subscriber>();
  let position: Position | undefined;
  let starting: Promise<Position> | undefined;
  let running: Promise<void> | undefined;
  let closed = false;
  let alarm = new AbortController();

  function wake(): void {
    // Every upload calls this, and abort() makes an error with a stack before it looks whether there is anything to abort.
    if (!alarm.signal.aborted) alarm.abort();
  }

  /** Reads while there are subscribers; the place is forgotten with the last of them. */
  async function run(): Promise<void> {
    const ears = options.listen ? listenFor(database, wake, log) : undefined;
    try {
      while (subscribers.size > 0 && !closed) {
        const failed = await readOnce();
        await pause(failed ? AFTER_FAILURE_MS : MIN_GAP_MS, undefined);
        if (!failed) await pause(POLL_MS - MIN_GAP_MS, alarm.signal);
        if (alarm.signal.aborted) alarm = new AbortController();
      }
    } finally {
      position = undefined;
      running = undefined;
      await ears?.close();
    }
  }

  async function readOnce(): Promise<boolean> {
    const before = position;
    if (before === undefined) return false;
    try {
      const { events, position: after } = await readNewEvents(database, before);
      // Together and without a pause between: whoever subscribes sees either both or neither.
      position = after;
      for (const subscriber of subscribers) tell(subscriber, { events, before, after });
      return false;
    } catch (error) {
      log.warn({ err: error }, "events can't be read; trying again");
      return true;
    }
  }

  async function start(): Promise<Position> {
    if (position !== undefined) return position;
    starting ??= database.asSystem(currentPosition).finally(() => {
      starting = undefined;
    });
    return starting;
  }

  return {
    async subscribe(interest, listener) {
      if (closed) throw new Error("The event reader is closed.");
      const found = await start();
      // Others may have begun meanwhile: their place is the one that counts.
      position ??= found;
      const subscriber: Subscriber = { ...interest, listener };
      subscribers.add(subscriber);
      running ??= run();
      return { from: position, end: () => void (subscribers.delete(subscriber) && subscribers.size === 0 && wake()) };
    },
    wake,
    async close() {
      closed = true;
      wake();
      await running;
    },
  };
}

function tell({ tenantId, jobId, listener }: Subscriber, batch: Parameters<Listener>[0]): void {
  // The second wall: the reader sees all tenants, a listener never anything but its own.
  const events = batch.events.filter((event) => event.tenantId === tenantId && (jobId === undefined || event.jobId === jobId));
  listener({ ...batch, events });
}

function listenFor(database: Database, wake: () => void, log: Logger): { close(): Promise<void> } {
  return listen(database, {
    channels: [EVENTS_CHANNEL],
    onNotification: wake,
    onDown: (err) => log.warn({ err }, "the connection that listens for events broke; polling goes on"),
  });
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(ms, undefined, signal ? { signal } : {}).catch(() => undefined);
}
