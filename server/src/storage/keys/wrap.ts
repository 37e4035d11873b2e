import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { takeRandom } from "./take-random.ts";

/** What a wrapped key is: bound into the wrapping, so that no wrapped key can take another's place. */
export interface WrappedKeyName {
  readonly purpose: "tenant-key" | "object-key";
  readonly tenantId: string;
  readonly keyId: string;
  readonly version: number;
}

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

/** The one spelling of a name. Its parts are uuids and numbers of ours, none of which holds a bar. */
export function nameText({ purpose, tenantId, keyId, version }: WrappedKeyName): string {
  return `filemill/wrap/v1|${purpose}|${tenantId}|${keyId}|${version}`;
}

/** Wraps 32 bytes: nonce, ciphertext, tag. The nonce is random: one wrapping key wraps far fewer than 2³² keys. */
export function wrapKey(key: Buffer, wrappingKey: Buffer, name: string): Buffer {
  const nonce = takeRandom(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, keyObjectOf(wrappingKey), nonce).setAAD(Buffer.from(name));
  return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
}

/** Undefined where `wrapped` is not this key, wrapped with that one under that name. */
export function unwrapKey(wrapped: Buffer, wrappingKey: Buffer, name: string): Buffer | undefined {
  if (wrapped.length !== NONCE_BYTES + KEY_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv(CIPHER, keyObjectOf(wrappingKey), wrapped.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(name)).setAuthTag(wrapped.subarray(NONCE_BYTES + KEY_BYTES));
  const key = decipher.update(wrapped.subarray(NONCE_BYTES, NONCE_BYTES + KEY_BYTES));
  try {
    decipher.final();
    return key;
  } catch {
    return undefined;
  }
}

const keyObjects = new WeakMap<Buffer, KeyObject>();

/** One for all wrappings with the same key in memory: making it took as long as wrapping with it. */
function keyObjectOf(key: Buffer): KeyObject {
  let made = keyObjects.get(key);
  if (made === undefined) keyObjects.set(key, (made = createSecretKey(key)));
  return made;
}
