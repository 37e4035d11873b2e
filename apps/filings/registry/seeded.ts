/** Chance that a text decides: the same text gives the same numbers, in every process and on every machine. */
export interface Chance {
  /** 0 ≤ x < 1. */
  fraction(): number;
  /** A whole number, least ≤ x ≤ most. */
  between(least: number, most: number): number;
  pick<T>(choices: readonly T[]): T;
}

export function chanceOf(text: string): Chance {
  const fraction = mulberry32(fnv1a(text));
  const between = (least: number, most: number) => least + Math.floor(fraction() * (most - least + 1));
  return {
    fraction,
    between,
    pick(choices) {
      const choice = choices[between(0, choices.length - 1)];
      if (choice === undefined) throw new RangeError("there is nothing to choose from");
      return choice;
    },
  };
}

/** FNV-1a of 32 bits, over UTF-16 units. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}

/** Tommy Ettinger's generator of 32 bits of state; good enough for data that only has to look real. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
