import { setTimeout as delay } from "node:timers/promises";
import { BrokenCircuitError, circuitBreaker, CircuitState, handleWhen } from "cockatiel";
import { StorageError } from "../../errors.ts";
import { createOrderedBreaker } from "./ordered-breaker.ts";
import { createRetryBudget } from "./retry-budget.ts";
import { createSilenceWatch, ServerSilent } from "./silence-watch.ts";

/**
 * Stands between a store's operations and its server. What fails in passing is tried again, within a budget. After
 * FAILURES_TO_OPEN failures in a row everything fails at once, and one request each REOPEN_AFTER_MS is let through to see
 * whether the server is back. A server that is silent is told from one that is slow by a probe, so that callers of a server
 * that is gone know in less than 2 s, and a large part over a slow line has its time.
 */
export interface Guard {
  /**
   * Runs one request, again where it fails in passing: `attempt` must be safe to repeat. Rejects what `explain` makes of
   * the failure, StorageError unavailable where the server is away, or the signal's reason.
   */
  run<T>(what: string, attempt: (signal: AbortSignal) => Promise<T>, options?: RunOptions): Promise<T>;
  readonly state: "closed" | "open" | "half-open";
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes that the request carries: it has time for them. */
  readonly sizeBytes?: number;
}

export interface GuardOptions {
  /** Of the store. */
  readonly name: string;
  /** What a failure means. `passing`: it may succeed next time, and says something about the server's health. */
  readonly explain: (error: unknown, what: string) => Explained;
  /** A small request that a healthy server answers at once. */
  readonly probe: (signal: AbortSignal) => Promise<unknown>;
  /** As Agents.moved. */
  readonly moved: () => number;
  readonly answerWithinMs?: number;
}

export interface Explained {
  readonly error: StorageError;
  readonly passing: boolean;
}

/** Fewer would open on the bad luck of a server that fails a third of its requests: 0.3^10 is one in 170,000. */
const FAILURES_TO_OPEN = 10;
const REOPEN_AFTER_MS = 5_000;
/** With a third of all requests failing, one operation in 2,000 needs more. */
const MAX_TRIES = 7;
const FIRST_BACKOFF_MS = 30;
const MAX_BACKOFF_MS = 500;
/** From a request's last byte to its answer's first: another try is likely to be faster. */
const ANSWER_WITHIN_MS = 5_000;
/** The slowest line to a store that we wait for: a part of 8 MiB then has 32 s. */
const LEAST_BYTES_PER_MS = 256;

export function createGuard(options: GuardOptions): Guard {
  const { name } = options;
  const budget = createRetryBudget();
  const watch = createSilenceWatch(options);
  const order = createOrderedBreaker(FAILURES_TO_OPEN);
  const breaker = circuitBreaker(
    handleWhen((error) => judge(error, "").passing),
    { halfOpenAfter: REOPEN_AFTER_MS, breaker: order },
  );

  function judge(error: unknown, what: string): Explained {
    if (error instanceof CallerGone) return { passing: false, error: new StorageError("unavailable", `${name}: ${what}: given up`) };
    if (!(error instanceof ServerSilent || error instanceof AttemptTimeout)) return options.explain(error, what);
    return { passing: true, error: new StorageError("unavailable", `${name}: ${what}: ${error.message}`, { cause: error }) };
  }

  async function once<T>(attempt: (signal: AbortSignal) => Promise<T>, { signal, sizeBytes = 0 }: RunOptions): Promise<T> {
    const abort = new AbortController();
    const onAbort = () => abort.abort(new CallerGone());
    signal?.addEventListener("abort", onAbort, { once: true });
    const limit = (options.answerWithinMs ?? ANSWER_WITHIN_MS) + Math.ceil(sizeBytes / LEAST_BYTES_PER_MS);
    const timer = setTimeout(() => abort.abort(new AttemptTimeout(limit)), limit);
    const unwatch = watch.begin((reason) => abort.abort(reason));
    const entry = order.begin();
    try {
      if (signal?.aborted) onAbort();
      abort.signal.throwIfAborted();
      const answer = await attempt(abort.signal);
      entry.end("answered");
      return answer;
    } catch (thrown) {
      // A client library has its own error for an abort: the reason says more.
      const error = abort.signal.aborted ? abort.signal.reason : thrown;
      if (error instanceof CallerGone) entry.forget();
      else entry.end(judge(error, "").passing ? "failed" : "answered");
      throw error;
    } finally {
      unwatch();
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  return {
    async run(what, attempt, running = {}) {
      const { signal } = running;
      budget.requested();
      for (let tries = 1; ; tries++) {
        try {
          return await breaker.execute(() => once(attempt, running));
        } catch (error) {
          signal?.throwIfAborted();
          if (error instanceof BrokenCircuitError) throw refused(name, what, error);
          const explained = judge(error, what);
          const again = explained.passing && !(error instanceof ServerSilent) && tries < MAX_TRIES && budget.mayRetry();
          if (!again) throw explained.error;
        }
        await delay(backoff(tries), undefined, signal && { signal });
      }
    },
    get state() {
      if (breaker.state === CircuitState.Closed) return "closed";
      return breaker.state === CircuitState.HalfOpen ? "half-open" : "open";
    },
  };
}

/** One request took longer than it may, of a server that answers others. */
class AttemptTimeout extends Error {
  constructor(milliseconds: number) {
    super(`no answer within ${milliseconds} ms`);
    this.name = "AttemptTimeout";
  }
}

/** Whoever asked wants no answer any more, which says nothing about the server. */
class CallerGone extends Error {}

function refused(name: string, what: string, cause: Error): StorageError {
  const text = `${name}: ${what}: the store failed ${FAILURES_TO_OPEN} times in a row; it is asked again every ${REOPEN_AFTER_MS / 1_000} s`;
  return new StorageError("unavailable", text, { cause });
}

/** Half of it is chance, so that many who failed together do not come back together. */
function backoff(tries: number): number {
  return Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (tries - 1)) * (0.5 + Math.random() / 2);
}
