import { isRunning, restartPostmaster, type Postmaster, type PostmasterOptions } from "./postmaster.ts";

/** A server that is started again when it ends by itself. */
export interface Watched {
  /** The one that runs now, or ran last. */
  current(): Postmaster;
  /** Stops looking; resolves when no start is under way. The server is left as it is. Idempotent. */
  close(): Promise<void>;
}

export interface KeepOptions {
  readonly start: PostmasterOptions;
  readonly onTrouble: (what: string) => void;
}

/**
 * Looking costs one small read of /proc. A server that a killed start left to us is nobody's child any more, so its end
 * can't be waited for; for all others the same is done.
 */
const LOOK_MS = 1_000;
/** Processes of a killed server end within moments; while they live, PostgreSQL refuses to start another. */
const RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;

export function keepRunning(first: Postmaster, { start, onTrouble }: KeepOptions): Watched {
  const closing = new AbortController();
  const signal = start.signal ? AbortSignal.any([start.signal, closing.signal]) : closing.signal;
  let postmaster = first;
  let timer: NodeJS.Timeout | undefined;
  let looking = Promise.resolve();

  function lookIn(milliseconds: number, failures: number): void {
    if (signal.aborted) return;
    timer = setTimeout(() => {
      looking = look(failures);
    }, milliseconds);
  }

  async function look(failures: number): Promise<void> {
    if (await isRunning(postmaster)) return lookIn(LOOK_MS, 0);
    if (failures === 0) onTrouble(`PostgreSQL (process ${postmaster.pid}) ended by itself; it is started again`);
    const again = await restartPostmaster({ ...start, signal }, postmaster.port).catch((error: unknown) => {
      onTrouble(`PostgreSQL could not be started again: ${String(error)}`);
      return undefined;
    });
    if (again) {
      postmaster = again;
      onTrouble(`PostgreSQL runs again (process ${again.pid})`);
      return lookIn(LOOK_MS, 0);
    }
    onTrouble(`PostgreSQL can't be started at port ${postmaster.port} yet; its reasons are in ${start.logFile}`);
    lookIn(Math.min(RETRY_MS * 2 ** failures, MAX_RETRY_MS), failures + 1);
  }

  lookIn(LOOK_MS, 0);
  return {
    current: () => postmaster,
    async close() {
      closing.abort();
      clearTimeout(timer);
      await looking;
    },
  };
}
