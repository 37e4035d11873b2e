import { hash } from "node:crypto";

const HASH = "sha512";
const HASH_BYTES = 64;
const BLOCK_BYTES = 128;
/** RFC 2104 §2. */
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;

/**
 * HKDF-Expand of RFC 5869 with SHA-512: `length` bytes from a key that is uniformly random already, so that there is
 * nothing to extract first. HMAC is written out over Node's one-shot hash: with its Hmac objects this took twice as long,
 * and a third of the time of sealing a small content.
 */
export function expand(key: Buffer, info: Buffer, length: number): Buffer {
  if (length > 255 * HASH_BYTES) throw new RangeError(`HKDF-Expand gives at most ${255 * HASH_BYTES} bytes`);
  const outer = padded(key, OUTER_PAD, HASH_BYTES);
  // The block before, which the first one does not have, then `info` and the number of the block.
  const inner = padded(key, INNER_PAD, HASH_BYTES + info.length + 1);
  const first = padded(key, INNER_PAD, info.length + 1);
  info.copy(inner, BLOCK_BYTES + HASH_BYTES);
  info.copy(first, BLOCK_BYTES);
  first[first.length - 1] = 1;
  const expanded = Buffer.allocUnsafe(Math.ceil(length / HASH_BYTES) * HASH_BYTES);
  for (let at = 0; at < length; at += HASH_BYTES) {
    if (at > 0) expanded.copy(inner, BLOCK_BYTES, at - HASH_BYTES, at);
    inner[inner.length - 1] = at / HASH_BYTES + 1;
    hash(HASH, at === 0 ? first : inner, "buffer").copy(outer, BLOCK_BYTES);
    hash(HASH, outer, "buffer").copy(expanded, at);
  }
  return expanded.subarray(0, length);
}

/** The key XOR `pad`, one block of the hash, and room behind it. */
function padded(key: Buffer, pad: number, behind: number): Buffer {
  if (key.length > BLOCK_BYTES) throw new RangeError(`a key for HKDF-Expand has at most ${BLOCK_BYTES} bytes here`);
  const bytes = Buffer.allocUnsafe(BLOCK_BYTES + behind);
  bytes.fill(pad, 0, BLOCK_BYTES);
  for (let index = 0; index < key.length; index++) bytes[index] = (key[index] ?? 0) ^ pad;
  return bytes;
}

/** A key for one purpose out of a key of ours; no two labels may be the same. */
export function keyFor(key: Buffer, label: string): Buffer {
  return expand(key, Buffer.from(`filemill/key/v1|${label}`), 32);
}
