/** How exactly time limits of steps are kept, and how often the bytes written so far are looked at, ms. */
const WATCH_MS = 50;

export interface WatchedCall {
  readonly timeoutMs: number;
  /** Throws what the call is to be ended with, should it have broken a limit of its own. */
  check(): void;
  abort(reason: unknown): void;
}

export interface CallWatch {
  begin(call: WatchedCall): void;
  end(): void;
  close(): void;
}

/** The time limit of the step was reached. */
export class CallTimeout extends Error {}

/**
 * Watches the one call that runs at a time, and ends it when `signal` is aborted. One timer and one listener for a whole
 * stage: with some of their own for each call a batch of 50 small entries took the host twice as long.
 */
export function openCallWatch(signal: AbortSignal): CallWatch {
  let current: { readonly call: WatchedCall; readonly deadline: number } | undefined;
  const forward = (): void => current?.call.abort(signal.reason);
  signal.addEventListener("abort", forward);
  const timer = setInterval(() => {
    if (!current) return;
    const { call, deadline } = current;
    if (performance.now() >= deadline) return call.abort(new CallTimeout());
    try {
      call.check();
    } catch (reason) {
      call.abort(reason);
    }
  }, WATCH_MS);
  return {
    begin(call) {
      current = { call, deadline: performance.now() + call.timeoutMs };
    },
    end() {
      current = undefined;
    },
    close() {
      clearInterval(timer);
      signal.removeEventListener("abort", forward);
    },
  };
}
