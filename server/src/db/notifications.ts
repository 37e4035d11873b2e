import type { Database } from "./database.ts";

/**
 * LISTEN on one connection of its own, reopened with growing pauses when it breaks. A listener that is down misses
 * notifications, so everybody who listens also polls; `onUp` is called after each (re)connection to look at once.
 */
export interface Notifications {
  close(): Promise<void>;
}

export interface ListenOptions {
  readonly channels: readonly string[];
  readonly onNotification: (channel: string, payload: string) => void;
  readonly onUp?: () => void;
  readonly onDown?: (error: Error) => void;
}

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;

export function listen(database: Pick<Database, "connect">, options: ListenOptions): Notifications {
  const stop = new AbortController();
  const running = keepListening(database, options, stop.signal);
  return {
    async close() {
      stop.abort();
      await running;
    },
  };
}

async function keepListening(database: Pick<Database, "connect">, options: ListenOptions, stop: AbortSignal): Promise<void> {
  let retryMs = FIRST_RETRY_MS;
  while (!stop.aborted) {
    try {
      await listenOnce(database, options, stop, () => {
        retryMs = FIRST_RETRY_MS;
      });
    } catch (error) {
      options.onDown?.(error instanceof Error ? error : new Error(String(error)));
    }
    await pause(retryMs * (0.5 + Math.random()), stop);
    retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
  }
}

/** Rejects when the connection breaks; resolves when told to stop. */
async function listenOnce(database: Pick<Database, "connect">, options: ListenOptions, stop: AbortSignal, onUp: () => void): Promise<void> {
  const client = await database.connect();
  const ended = Promise.withResolvers<void>();
  const onStop = () => ended.resolve();
  client.on("error", (error) => ended.reject(error));
  client.on("end", () => ended.reject(new Error("the database closed the connection")));
  client.on("notification", (message) => options.onNotification(message.channel, message.payload ?? ""));
  stop.addEventListener("abort", onStop, { once: true });
  if (stop.aborted) onStop();
  try {
    // Ended meanwhile, by a break or by being told to stop: an answer that does not come keeps nobody waiting.
    await Promise.race([listenTo(client, options.channels), ended.promise]);
    if (stop.aborted) return;
    onUp();
    options.onUp?.();
    await ended.promise;
  } finally {
    stop.removeEventListener("abort", onStop);
    ended.promise.catch(() => undefined);
    await client.end().catch(() => undefined);
  }
}

async function listenTo(client: Awaited<ReturnType<Database["connect"]>>, channels: readonly string[]): Promise<void> {
  for (const channel of channels) await client.query(`LISTEN "${channel}"`);
}

function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      stop.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    stop.addEventListener("abort", done, { once: true });
  });
}
