import type { EventMessage } from "@filemill/contract/events.ts";
import { readEventStream } from "./event-stream.ts";
import { FilemillError, unreachable } from "./error.ts";
import { backoffMs, pause } from "./pause.ts";
import type { Transport } from "./transport.ts";

export interface WatchOptions {
  /** Continue after this event; from the start of a job, or from now for a tenant, unless told. */
  readonly lastEventId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** `id` is what to hand back as `lastEventId`; samples (job.progress) have none. */
export type WatchedEvent = EventMessage & { readonly id: string | undefined };

/** Failures in a row, without one event between, before a watch gives up: about half a minute. */
const MAX_FAILURES = 8;
/** The server sends a heartbeat every 15 s; three missed ones mean that the connection is dead without saying so. */
const SILENCE_LIMIT_MS = 45_000;

/**
 * Events as they happen. A lost connection is taken up again behind the last event that arrived; after that a few events
 * may come twice. Ends when `isLast` says so, or by leaving the loop. Rejects with FilemillError once the server can't be
 * reached for about half a minute, and at once where it refuses (not_found, unauthenticated, …).
 */
export async function* watch(
  transport: Transport,
  path: string,
  options: WatchOptions & { readonly isLast: (event: EventMessage) => boolean },
): AsyncGenerator<WatchedEvent, void, undefined> {
  let lastEventId = options.lastEventId;
  let failures = 0;
  for (;;) {
    try {
      for await (const event of connection(transport, path, lastEventId, options.signal)) {
        failures = 0;
        lastEventId = event.id ?? lastEventId;
        yield event;
        if (options.isLast(event)) return;
      }
    } catch (error) {
      options.signal?.throwIfAborted();
      const passing = error instanceof FilemillError && [0, 429, 503].includes(error.status);
      if (!passing || failures >= MAX_FAILURES) throw error;
    }
    // Also reached when the server closes the stream in order (restart, slow reader): that is no reason to hurry.
    failures += 1;
    await pause(backoffMs(failures, undefined), options.signal);
  }
}

async function* connection(transport: Transport, path: string, lastEventId: string | undefined, signal: AbortSignal | undefined) {
  const silence = new AbortController();
  const either = signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]);
  const headers = { accept: "text/event-stream", ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }) };
  const response = await transport.send({ method: "GET", path, headers, signal: either });
  if (!response.body) return;
  let timer = setTimeout(() => silence.abort(), SILENCE_LIMIT_MS);
  const alive = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_LIMIT_MS);
      controller.enqueue(chunk);
    },
  });
  try {
    for await (const message of readEventStream(response.body.pipeThrough(alive))) {
      // The server writes its messages with the schema of contract/.
      yield { ...(JSON.parse(message.data) as EventMessage), id: message.id };
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw unreachable(response.url, error);
  } finally {
    clearTimeout(timer);
  }
}
