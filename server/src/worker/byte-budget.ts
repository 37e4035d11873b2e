/** Bytes that may lie ready at the same time, shared by whoever asks, in the order in which they asked. */
export interface ByteBudget {
  place(signal: AbortSignal): BudgetPlace;
}

/** One asker's part of it. */
export interface BudgetPlace {
  /**
   * Waits until there is room for so many bytes, or nobody holds any: one that is larger than the whole budget must get
   * its turn too. Once a place. Rejects the signal's reason.
   */
  take(bytes: number): Promise<void>;
  /**
   * So many more, or with a negative number fewer, than were taken: of what nobody knew the size beforehand. It does not
   * wait, since what is half there is of no use to anybody; others then do, until it is gone.
   */
  grow(bytes: number): void;
  /** Gives back what was taken, or stops waiting for it; more often than once is no harm. */
  leave(): void;
}

export function openByteBudget(maxBytes: number): ByteBudget {
  let held = 0;
  const waiting = new Set<{ readonly bytes: number; readonly enter: () => void }>();

  function admit(): void {
    for (const next of waiting) {
      if (held > 0 && held + next.bytes > maxBytes) return;
      waiting.delete(next);
      held += next.bytes;
      next.enter();
    }
  }

  return {
    place(signal) {
      let give = () => {};
      let grown = 0;
      return {
        async take(bytes) {
          signal.throwIfAborted();
          const turn = Promise.withResolvers<void>();
          const mine = { bytes, enter: () => enter() };
          const enter = () => {
            give = () => {
              held -= bytes;
              admit();
            };
            turn.resolve();
          };
          const stop = () => {
            waiting.delete(mine);
            turn.reject(signal.reason);
            // It may have been in the way of smaller ones.
            admit();
          };
          give = stop;
          waiting.add(mine);
          admit();
          signal.addEventListener("abort", stop);
          try {
            await turn.promise;
          } finally {
            signal.removeEventListener("abort", stop);
          }
        },
        grow(bytes) {
          held += bytes;
          grown += bytes;
          if (bytes < 0) admit();
        },
        leave() {
          give();
          give = () => {};
          held -= grown;
          grown = 0;
          admit();
        },
      };
    },
  };
}
