import { randomFillSync } from "node:crypto";

const POOL_BYTES = 16 * 1_024;

let pool = Buffer.alloc(0);
let taken = 0;

/**
 * Random bytes for keys, salts and nonces, each given once and never again. Drawn from the system by the pool: for the three
 * of a small object Node's randomBytes took a fifth of the time of sealing it. What is given out is a copy, so that nothing
 * of the pool stays with a caller, and is wiped from the pool.
 */
export function takeRandom(bytes: number): Buffer {
  if (taken + bytes > pool.length) {
    pool = randomFillSync(Buffer.allocUnsafeSlow(Math.max(POOL_BYTES, bytes)));
    taken = 0;
  }
  const given = Buffer.from(pool.subarray(taken, taken + bytes));
  pool.fill(0, taken, taken + bytes);
  taken += bytes;
  return given;
}
