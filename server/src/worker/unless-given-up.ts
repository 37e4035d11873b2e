/**
 * Waits for the database's answer, but no longer than until the task is given up in a drain; then rejects the signal's
 * reason. What was asked for may still come true; the fence decides between that and the hand-back. A lease that may
 * have ended is no reason to stop: nobody reaps while the database is away, and the work may still count when it is back.
 */
export async function unlessGivenUp<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const given = Promise.withResolvers<never>();
  const look = () => {
    if (signal.reason === "drain") given.reject(signal.reason);
  };
  signal.addEventListener("abort", look);
  if (signal.aborted) look();
  try {
    return await Promise.race([work, given.promise]);
  } finally {
    signal.removeEventListener("abort", look);
  }
}
