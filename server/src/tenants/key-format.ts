import { createHash, randomInt } from "node:crypto";
import { crc32 } from "node:zlib";

/**
 * `fml_<environment>_<id 10><_><secret 43><checksum 6>`: a fixed start that secret scanners can look for, an id that is
 * no secret and finds the row, 43 base62 characters (256 bits) of secret, and a CRC-32 of everything before it, so that
 * a mistyped or cut-off key is refused without asking the database.
 */
const FORMAT = /^fml_[a-z]{2,8}_([0-9A-Za-z]{10})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;
const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

export interface KeyParts {
  /** Unique, not secret: the `key_id` column. */
  readonly keyId: string;
  /** What is kept of the secret. */
  readonly secretSha256: Buffer;
}

/** A new key. `environment` is 2 to 8 lower-case letters that tell people where it belongs. */
export function newKeyText(environment = "live"): string {
  const body = `fml_${environment}_${randomText(10)}_${randomText(43)}`;
  return body + checksum(body);
}

/** What is in a key, or undefined where `text` is not one. */
export function parseKey(text: string): KeyParts | undefined {
  const [, keyId, secret, check] = FORMAT.exec(text) ?? [];
  if (keyId === undefined || secret === undefined || check !== checksum(text.slice(0, -6))) return undefined;
  return { keyId, secretSha256: createHash("sha256").update(secret).digest() };
}

function randomText(length: number): string {
  return Array.from({ length }, () => BASE62.charAt(randomInt(62))).join("");
}

function checksum(text: string): string {
  let value = crc32(text);
  let result = "";
  for (let index = 0; index < 6; index++) {
    result = BASE62.charAt(value % 62) + result;
    value = Math.floor(value / 62);
  }
  return result;
}
