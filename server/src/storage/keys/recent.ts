import type { Clock } from "../../clock.ts";

/** What was asked for lately, kept for a time, at most so many of them; who asks while the answer is on its way shares it. */
export interface Recent<Value> {
  get(key: string, load: () => Promise<Value>): Promise<Value>;
  delete(key: string): void;
}

/** A load that fails is not kept. Beyond `size`, what was loaded first goes first. */
export function createRecent<Value>({ keptMs, size, clock }: { keptMs: number; size: number; clock: Clock }): Recent<Value> {
  const entries = new Map<string, { readonly value: Promise<Value>; readonly until: number }>();

  function makeRoom(): void {
    for (const [key] of entries) {
      if (entries.size < size) return;
      entries.delete(key);
    }
  }

  return {
    get(key, load) {
      const found = entries.get(key);
      if (found !== undefined && found.until > clock.monotonicMs()) return found.value;
      entries.delete(key);
      makeRoom();
      const entry = { value: load(), until: clock.monotonicMs() + keptMs };
      entries.set(key, entry);
      entry.value.catch(() => {
        if (entries.get(key) === entry) entries.delete(key);
      });
      return entry.value;
    },
    delete(key) {
      entries.delete(key);
    },
  };
}
