/** Chance that can be repeated. Every run prints its seed; CHAOS_SEED=<number> replays it. */
export interface Chance {
  readonly seed: number;
  /** 0 ≤ x < 1. */
  fraction(): number;
  /** A whole number, least ≤ x < below. */
  between(least: number, below: number): number;
}

export function chance(scenario: string): Chance {
  const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 31));
  if (!Number.isSafeInteger(seed)) throw new RangeError(`CHAOS_SEED must be a whole number; it is "${process.env.CHAOS_SEED}"`);
  console.log(`${scenario}: CHAOS_SEED=${seed}`);
  const fraction = mulberry32(seed);
  return { seed, fraction, between: (least, below) => least + Math.floor(fraction() * (below - least)) };
}

/** A bigger run than the usual one, by the environment; `name` says of what. */
export function amount(name: string, usual: number): number {
  const chosen = Number(process.env[name] ?? usual);
  if (!Number.isSafeInteger(chosen) || chosen < 1)
    throw new RangeError(`${name} must be a whole number from 1; it is "${process.env[name]}"`);
  return chosen;
}

function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
