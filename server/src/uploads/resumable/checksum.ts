import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { Problem } from "../../errors.ts";

/** "The Server MUST support at least the SHA1 checksum algorithm identified by `sha1`." crc32 is four bytes, big-endian. */
const DIGEST_BYTES = { sha1: 20, md5: 16, sha256: 32, crc32: 4 } as const;

export type ChecksumAlgorithm = keyof typeof DIGEST_BYTES;

export const CHECKSUM_ALGORITHMS: readonly ChecksumAlgorithm[] = ["sha1", "md5", "sha256", "crc32"];

/** What the header Upload-Checksum says about one body. */
export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly digest: Buffer;
}

/** Takes the bytes of a body as they come. */
export interface RunningChecksum {
  update(chunk: Buffer): void;
  /** After the last byte. */
  matches(): boolean;
}

const HEADER = /^([a-z0-9-]+) ([A-Za-z0-9+/]+={0,2})$/;

/**
 * "The header MUST consist of the name of the used checksum algorithm and the Base64 encoded checksum separated by a
 * space." Throws Problem `validation_failed` for anything else, and for an algorithm that is not ours.
 */
export function parseChecksum(header: string): Checksum {
  const [, algorithm, encoded] = HEADER.exec(header.trim()) ?? [];
  if (algorithm === undefined || encoded === undefined) {
    throw new Problem("validation_failed", 'Upload-Checksum must be an algorithm, a space and the checksum in Base64: "sha1 Kq5sNclP…".');
  }
  if (!isAlgorithm(algorithm)) {
    throw new Problem(
      "validation_failed",
      `The checksum algorithm "${algorithm}" is not supported; use ${CHECKSUM_ALGORITHMS.join(", ")}.`,
    );
  }
  const digest = Buffer.from(encoded, "base64");
  if (digest.length !== DIGEST_BYTES[algorithm]) {
    throw new Problem(
      "validation_failed",
      `A ${algorithm} in Upload-Checksum must have ${DIGEST_BYTES[algorithm]} bytes; it has ${digest.length}.`,
    );
  }
  return { algorithm, digest };
}

export function startChecksum({ algorithm, digest }: Checksum): RunningChecksum {
  if (algorithm === "crc32") {
    let value = 0;
    return {
      update(chunk) {
        value = crc32(chunk, value);
      },
      matches: () => value === digest.readUInt32BE(0),
    };
  }
  const hash = createHash(algorithm);
  return { update: (chunk) => void hash.update(chunk), matches: () => hash.digest().equals(digest) };
}

function isAlgorithm(text: string): text is ChecksumAlgorithm {
  return Object.hasOwn(DIGEST_BYTES, text);
}
