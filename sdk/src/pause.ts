/** Full jitter: many clients that were refused together do not come back together. */
export function backoffMs(attempt: number, retryAfterSeconds: number | undefined): number {
  const own = Math.random() * Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** attempt);
  if (retryAfterSeconds === undefined) return own;
  return Math.min(MAX_RETRY_AFTER_MS, retryAfterSeconds * 1_000) + Math.min(own, FIRST_BACKOFF_MS);
}

/** Resolves after `ms`; rejects with the signal's reason when it aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

const FIRST_BACKOFF_MS = 250;
const MAX_BACKOFF_MS = 10_000;
const MAX_RETRY_AFTER_MS = 60_000;
