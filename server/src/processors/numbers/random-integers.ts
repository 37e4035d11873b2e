/** A stream of uniformly distributed integers that seed and stream number alone decide. */
export interface RandomIntegers {
  /** Draws the next ones into `into`, from 0 to `range` − 1; `range` at most 2^53. */
  draw(into: Float64Array, range: number): void;
}

const TWO_32 = 2 ** 32;

/**
 * xoshiro128** (Blackman and Vigna), its state filled by SplitMix32 over seed and stream, so that neighbouring streams have
 * nothing in common. Fewer bits than `range` needs are never drawn and what is too large is drawn again, so that no number
 * comes more often than another.
 */
export function randomIntegers(seed: number, stream: number): RandomIntegers {
  const mix = splitMix(seed, stream);
  let a = mix();
  let b = mix();
  let c = mix();
  let d = mix();

  return {
    draw(into, range) {
      const isWide = range > TWO_32;
      const lowMask = isWide ? -1 : maskOf(range - 1);
      const highMask = isWide ? maskOf(Math.floor((range - 1) / TWO_32)) : 0;
      // Of its own, so that they are in registers.
      let [w, x, y, z] = [a, b, c, d];
      let high = 0;
      let isHigh = isWide;
      for (let place = 0; place < into.length;) {
        const five = Math.imul(x, 5);
        const drawn = Math.imul((five << 7) | (five >>> 25), 9);
        const shifted = x << 9;
        y ^= w;
        z ^= x;
        x ^= y;
        w ^= z;
        y ^= shifted;
        z = (z << 11) | (z >>> 21);
        if (isHigh) {
          high = ((drawn & highMask) >>> 0) * TWO_32;
          isHigh = false;
          continue;
        }
        isHigh = isWide;
        const number = high + ((drawn & lowMask) >>> 0);
        if (number < range) into[place++] = number;
      }
      [a, b, c, d] = [w, x, y, z];
    },
  };
}

/** All bits up to the highest one of `value`, below 2^32. */
function maskOf(value: number): number {
  return value === 0 ? 0 : (0xffffffff >>> Math.clz32(value)) | 0;
}

function splitMix(seed: number, stream: number): () => number {
  let state = 0;
  const next = () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return mixed ^ (mixed >>> 16);
  };
  // Each part goes through the mixer before the next is added, so that (1, 2) and (2, 1) differ in all bits.
  for (const part of [seed % TWO_32, Math.floor(seed / TWO_32), stream % TWO_32, Math.floor(stream / TWO_32)]) {
    state = (next() ^ part) | 0;
  }
  next();
  return next;
}
