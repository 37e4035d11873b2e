/** What a process has started, to be stopped in reverse order. */
export interface Shutdown {
  /** `stop` may be called once, and with how many milliseconds are left for it and everything before it. */
  add(name: string, stop: (remainingMs: number) => Promise<void> | void): void;
  /**
   * Stops everything, last started first, one after the other; idempotent. What fails, or isn't done by the deadline, is
   * named in the answer and no longer waited for, so that one that hangs does not keep the rest alive. What is added
   * while it runs is stopped too.
   */
  run(deadlineMs: number): Promise<readonly string[]>;
  /** Aborted as soon as that was called: what is not begun by then need not be. */
  readonly begun: AbortSignal;
}

/** The least that a step is given, when those before it have used up all the time. */
const LEAST_MS = 100;

export function createShutdown(): Shutdown {
  const started: { name: string; stop: (remainingMs: number) => Promise<void> | void }[] = [];
  let running: Promise<readonly string[]> | undefined;
  const begun = new AbortController();

  async function stopAll(deadlineMs: number): Promise<readonly string[]> {
    const deadline = performance.now() + deadlineMs;
    const problems: string[] = [];
    for (let step = started.pop(); step; step = started.pop()) {
      const remainingMs = Math.max(LEAST_MS, deadline - performance.now());
      const problem = await within(remainingMs, step);
      if (problem !== undefined) problems.push(`${step.name}: ${problem}`);
    }
    return problems;
  }

  return {
    add(name, stop) {
      started.push({ name, stop });
    },
    begun: begun.signal,
    run(deadlineMs) {
      begun.abort();
      running ??= stopAll(deadlineMs);
      return running;
    },
  };
}

async function within(remainingMs: number, { stop }: { stop: (remainingMs: number) => Promise<void> | void }): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`not done within ${Math.round(remainingMs)} ms`), remainingMs);
  });
  const stopping = (async () => {
    try {
      await stop(remainingMs);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  })();
  try {
    return await Promise.race([stopping, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
