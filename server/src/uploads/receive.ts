import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import type { Metadata } from "@filemill/contract/files.ts";
import { v7 as uuidv7 } from "uuid";
import { Problem } from "../errors.ts";
import type { ContentStore } from "../storage/content-store.ts";
import { MAX_INLINE_BYTES, type StoredContent } from "../storage/stored-content.ts";
import type { ContentPlace } from "../storage/write-content.ts";
import { requireAllowedType, type AllowedTypes } from "./allowed-types.ts";
import { compareDigests, type DigestClaims } from "./digest-fields.ts";
import { detectMediaType, HEAD_BYTES } from "./media-type.ts";
import type { StoredFile } from "../record/files.ts";
import type { Reservation } from "../tenants/quota-reservation.ts";

export interface Reception {
  readonly contents: ContentStore;
  readonly tenantId: string;
  /** Checked by file-name.ts already. */
  readonly name: string;
  readonly metadata: Metadata;
  readonly expiresAt?: Date;
  readonly maxBytes: number;
  /** What the client announced, where it did. */
  readonly expectedBytes?: number;
  /** What the client says the bytes hash to. */
  readonly digests?: DigestClaims;
  readonly signal?: AbortSignal;
  /** Given every chunk of the content that is needed no more; see ContentPlace. */
  readonly release?: (chunk: Buffer) => void;
  /** Of the file, where it is known beforehand; else a new one. */
  readonly id?: string;
  /** Part of the objects' keys; 0 unless told. */
  readonly epoch?: number;
  /** Undefined: every type. */
  readonly allowedTypes?: AllowedTypes;
  /** Room for the file, taken as its bytes come. */
  readonly reservation?: Reservation;
}

/**
 * Takes the bytes of one upload: counts, hashes and recognises them on the way, in one pass. When it resolves they are
 * durable and wait to be recorded; when it rejects nothing of them is left in the store.
 *
 * Throws Problem `type_not_allowed`, `file_too_large` (before the first byte where `expectedBytes` says so), `quota_exceeded`, `length_mismatch`,
 * `digest_mismatch`, `validation_failed` where a digest behind the content is malformed; StorageError;
 * or the stream's own error, which means that the client is gone.
 */
export async function receiveFile(content: Readable, reception: Reception): Promise<StoredFile> {
  const { expectedBytes, maxBytes, tenantId, name, metadata, expiresAt } = reception;
  if (expectedBytes !== undefined && expectedBytes > maxBytes) throw tooLarge(maxBytes);
  const { id = uuidv7(), epoch = 0 } = reception;
  await reception.reservation?.take({ bytes: 0, files: 1 });
  const meter = createMeter(reception);
  const stored = await store(meter.measure(content), { ...reception, fileId: id, epoch });
  try {
    const { sizeBytes, sha256, head } = meter.result();
    const mediaType = await detectMediaType({ head, complete: sizeBytes <= head.length, name });
    requireAllowedType(mediaType, reception.allowedTypes);
    const file = { id, tenantId, name, sizeBytes, sha256, mediaType, origin: "upload" as const, metadata, content: stored };
    return expiresAt === undefined ? file : { ...file, expiresAt };
  } catch (error) {
    await reception.contents.discard(stored);
    throw error;
  }
}

/** Small content is gathered here: what it would cost to cut it is more than to seal it. */
async function store(content: AsyncGenerator<Buffer>, place: Reception & ContentPlace): Promise<StoredContent> {
  const start: Buffer[] = [];
  let bytes = 0;
  while (bytes <= MAX_INLINE_BYTES) {
    const { done, value } = await content.next();
    if (done === true) return await place.contents.writeSmall(start.length === 1 && start[0] ? start[0] : Buffer.concat(start), place);
    start.push(value);
    bytes += value.length;
  }
  async function* whole(): AsyncGenerator<Buffer> {
    yield* start;
    yield* content;
  }
  return await place.contents.write(whole(), place);
}

/** The answer to more bytes than `maxBytes`; also for requests that are refused before their body. */
export function tooLarge(maxBytes: number): Problem {
  return new Problem("file_too_large", `A file may have at most ${maxBytes} bytes here. Split it, or ask the operator to raise the limit.`);
}

function createMeter({ maxBytes, expectedBytes, digests, reservation }: Reception) {
  const hash = createHash("sha256");
  const hash512 = digests?.needsSha512 === true ? createHash("sha512") : undefined;
  let sha256: Buffer | undefined;
  const heads: Buffer[] = [];
  let headBytes = 0;
  let sizeBytes = 0;
  return {
    async *measure(content: Readable): AsyncGenerator<Buffer> {
      // Leaving early must not destroy the request: its socket still has to carry the answer.
      for await (const chunk of content.iterator({ destroyOnReturn: false })) {
        sizeBytes += chunk.length;
        if (sizeBytes > maxBytes) throw tooLarge(maxBytes);
        await reservation?.take({ bytes: chunk.length, files: 0 });
        hash.update(chunk);
        hash512?.update(chunk);
        if (headBytes < HEAD_BYTES) {
          const part = Buffer.from(chunk.subarray(0, HEAD_BYTES - headBytes));
          heads.push(part);
          headBytes += part.length;
        }
        yield chunk;
      }
      if (expectedBytes !== undefined && sizeBytes !== expectedBytes) {
        throw new Problem("length_mismatch", `${expectedBytes} bytes were announced and ${sizeBytes} came. Send the file again.`);
      }
      sha256 = hash.digest();
      if (digests !== undefined) compareDigests(digests.read(), { sha256, sha512: hash512?.digest() });
    },
    result: () => ({ sizeBytes, sha256: sha256 ?? hash.digest(), head: Buffer.concat(heads) }),
  };
}
