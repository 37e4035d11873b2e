import { createHmac, createSecretKey } from "node:crypto";

const HASH_BYTES = 64;

/**
 * HKDF-Expand of RFC 5869 with SHA-512: `length` bytes from a key that is uniformly random already, so that there is
 * nothing to extract first.
 */
export function expand(key: Buffer, info: Buffer, length: number): Buffer {
  if (length > 255 * HASH_BYTES) throw new RangeError(`HKDF-Expand gives at most ${255 * HASH_BYTES} bytes`);
  // Of a Buffer Node makes a key anew each time, for 16 µs more than from this.
  const secret = createSecretKey(key);
  const blocks: Buffer[] = [];
  let block = Buffer.alloc(0);
  for (let counter = 1; blocks.length * HASH_BYTES < length; counter++) {
    block = createHmac("sha512", secret).update(block).update(info).update(Buffer.of(counter)).digest();
    blocks.push(block);
  }
  return Buffer.concat(blocks).subarray(0, length);
}

/** A key for one purpose out of a key of ours; no two labels may be the same. */
export function keyFor(key: Buffer, label: string): Buffer {
  return expand(key, Buffer.from(`filemill/key/v1|${label}`), 32);
}
