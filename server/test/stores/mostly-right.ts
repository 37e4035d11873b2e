import { FAULTS, type Fault } from "./fault-proxy.ts";

/** A fifth of all requests is refused; of the others, one in twelve meets one of the other faults. The same for the same seed. */
export function mostlyRight(seed: number, { stalls = true } = {}): () => Fault | undefined {
  const others = FAULTS.filter((fault) => fault !== "refused" && (stalls || fault !== "stalled"));
  const random = mulberry(seed);
  return () => {
    if (random() < 0.2) return "refused";
    return random() < 1 / 12 ? others[Math.floor(random() * others.length)] : undefined;
  };
}

/** Tommy Ettinger's mulberry32: 32 bits of state are enough to choose faults. */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
