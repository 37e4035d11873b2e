import { createSecretKey, hash, type KeyObject } from "node:crypto";
import { expand } from "../keys/hkdf.ts";
import { COMMITMENT_BYTES } from "./layout.ts";

/** Of one message: never used for another. */
export interface MessageKey {
  /** Not a Buffer: of one, Node makes a key anew for each chunk, 2.2 against 21 µs where sealing the chunk takes 6. */
  readonly key: KeyObject;
  readonly baseNonce: Buffer;
  readonly commitment: Buffer;
}

export const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const LABEL = Buffer.from("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0");

/** "key || base nonce || commitment = HKDF-Expand(input key, "c2sp.org/chunked-encryption@v1+" || aead || 0x00 || salt || context)" */
export function deriveMessageKey(dek: Buffer, { salt, prefix }: { salt: Buffer; prefix: Buffer }): MessageKey {
  const context = hash("sha512", prefix, "buffer");
  const derived = expand(dek, Buffer.concat([LABEL, salt, context]), KEY_BYTES + NONCE_BYTES + COMMITMENT_BYTES);
  return {
    key: createSecretKey(derived.subarray(0, KEY_BYTES)),
    baseNonce: derived.subarray(KEY_BYTES, KEY_BYTES + NONCE_BYTES),
    commitment: derived.subarray(KEY_BYTES + NONCE_BYTES),
  };
}

/** "the XOR of the base nonce and the chunk number as a big-endian integer as wide as the base nonce"; at most 2³⁸ chunks. */
export function chunkNonce({ baseNonce }: MessageKey, index: number): Buffer {
  if (!(index >= 0 && index < 2 ** 38)) throw new RangeError(`a message has no chunk ${index}`);
  const nonce = Buffer.from(baseNonce);
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ (index >>> 0)) >>> 0, 8);
  nonce.writeUInt8(nonce.readUInt8(7) ^ Math.floor(index / 2 ** 32), 7);
  return nonce;
}
