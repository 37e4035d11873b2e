export interface Slots {
  /**
   * Waits for so many slots, all there are at most; first come, first served, so that one who needs many is not overtaken for ever by
   * those who need few. False: the signal was aborted before there were.
   */
  take(signal: AbortSignal, weight?: number): Promise<boolean>;
  /** As many as were taken. */
  free(weight?: number): void;
  whenAllFree(): Promise<void>;
}

interface Waiting {
  readonly weight: number;
  readonly enter: () => void;
}

/** Counts how many tasks run at once. */
export function openSlots(count: number): Slots {
  let taken = 0;
  const waiting = new Set<Waiting>();
  const idle = new Set<() => void>();
  const capped = (weight = 1) => Math.min(weight, count);

  function admit(): void {
    for (const next of waiting) {
      if (taken + next.weight > count) return;
      waiting.delete(next);
      taken += next.weight;
      next.enter();
    }
  }

  return {
    async take(signal, asked) {
      if (signal.aborted) return false;
      const weight = capped(asked);
      if (waiting.size === 0 && taken + weight <= count) {
        taken += weight;
        return true;
      }
      const turn = Promise.withResolvers<boolean>();
      const mine = { weight, enter: () => turn.resolve(true) };
      const giveUp = (): void => {
        if (!waiting.delete(mine)) return;
        turn.resolve(false);
        // It may have been in the way of lighter ones.
        admit();
      };
      waiting.add(mine);
      signal.addEventListener("abort", giveUp);
      try {
        return await turn.promise;
      } finally {
        signal.removeEventListener("abort", giveUp);
      }
    },
    free(weight) {
      taken -= capped(weight);
      admit();
      if (taken === 0) for (const resolve of idle) resolve();
    },
    async whenAllFree() {
      if (taken > 0) await new Promise<void>((resolve) => idle.add(resolve));
    },
  };
}
