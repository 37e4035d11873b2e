export type Work = (signal: AbortSignal) => Promise<void>;

/** Files at the same time; a local disk is not faster with more, and a remote store hides its latency with these. */
const AT_ONCE = 8;

/**
 * Does all of it, a few at a time. After a failure nothing further begins, what is under way is told to stop, and all of it has
 * ended when this rejects.
 */
export async function inParallel(works: readonly Work[], signal: AbortSignal): Promise<void> {
  const queue = works.values();
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const drain = async () => {
    for (const work of queue) {
      either.throwIfAborted();
      await work(either).catch((error: unknown) => {
        failed.abort(error);
        throw error;
      });
    }
  };
  await Promise.allSettled(Array.from({ length: Math.min(AT_ONCE, works.length) }, drain));
  either.throwIfAborted();
}
