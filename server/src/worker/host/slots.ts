export interface Slots {
  /** Waits for a slot, first come, first served. False: the signal was aborted before there was one. */
  take(signal: AbortSignal): Promise<boolean>;
  free(): void;
  whenAllFree(): Promise<void>;
}

/** Counts how many tasks run at once. */
export function openSlots(count: number): Slots {
  let taken = 0;
  const waiting = new Set<() => void>();
  const idle = new Set<() => void>();
  return {
    async take(signal) {
      if (signal.aborted) return false;
      if (taken < count) {
        taken += 1;
        return true;
      }
      const turn = Promise.withResolvers<boolean>();
      const next = (): void => turn.resolve(true);
      const giveUp = (): void => {
        waiting.delete(next);
        turn.resolve(false);
      };
      waiting.add(next);
      signal.addEventListener("abort", giveUp);
      try {
        return await turn.promise;
      } finally {
        signal.removeEventListener("abort", giveUp);
      }
    },
    free() {
      const [next] = waiting;
      if (next) {
        waiting.delete(next);
        return next();
      }
      taken -= 1;
      if (taken === 0) for (const resolve of idle) resolve();
    },
    async whenAllFree() {
      if (taken > 0) await new Promise<void>((resolve) => idle.add(resolve));
    },
  };
}
