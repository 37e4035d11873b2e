import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import type { Metadata } from "@filemill/contract/files.ts";
import { v7 as uuidv7 } from "uuid";
import { Problem } from "../errors.ts";
import type { ContentStore } from "../storage/content-store.ts";
import { detectMediaType, HEAD_BYTES } from "./media-type.ts";
import type { StoredFile } from "../record/files.ts";

export interface Reception {
  readonly contents: ContentStore;
  readonly tenantId: string;
  /** Checked by file-name.ts already. */
  readonly name: string;
  readonly metadata: Metadata;
  readonly maxBytes: number;
  /** What the client announced, where it did. */
  readonly expectedBytes?: number;
  readonly signal?: AbortSignal;
  /** Given every chunk of the content that is needed no more; see ContentPlace. */
  readonly release?: (chunk: Buffer) => void;
}

/**
 * Takes the bytes of one upload: counts, hashes and recognises them on the way, in one pass. When it resolves they are
 * durable and wait to be recorded; when it rejects nothing of them is left in the store.
 *
 * Throws Problem `file_too_large` (before the first byte where `expectedBytes` says so), `length_mismatch`; StorageError;
 * or the stream's own error, which means that the client is gone.
 */
export async function receiveFile(content: Readable, reception: Reception): Promise<StoredFile> {
  const { expectedBytes, maxBytes, tenantId, name, metadata } = reception;
  if (expectedBytes !== undefined && expectedBytes > maxBytes) throw tooLarge(maxBytes);
  const id = uuidv7();
  const meter = createMeter(reception);
  const stored = await reception.contents.write(meter.measure(content), { ...reception, fileId: id, epoch: 0 });
  try {
    const { sizeBytes, sha256, head } = meter.result();
    const mediaType = await detectMediaType({ head, complete: sizeBytes <= head.length, name });
    return { id, tenantId, name, sizeBytes, sha256, mediaType, origin: "upload", metadata, content: stored };
  } catch (error) {
    await reception.contents.discard(stored);
    throw error;
  }
}

/** The answer to more bytes than `maxBytes`; also for requests that are refused before their body. */
export function tooLarge(maxBytes: number): Problem {
  return new Problem("file_too_large", `A file may have at most ${maxBytes} bytes here. Split it, or ask the operator to raise the limit.`);
}

function createMeter({ maxBytes, expectedBytes }: Reception) {
  const hash = createHash("sha256");
  const heads: Buffer[] = [];
  let headBytes = 0;
  let sizeBytes = 0;
  return {
    async *measure(content: Readable): AsyncGenerator<Buffer> {
      // Leaving early must not destroy the request: its socket still has to carry the answer.
      for await (const chunk of content.iterator({ destroyOnReturn: false })) {
        sizeBytes += chunk.length;
        if (sizeBytes > maxBytes) throw tooLarge(maxBytes);
        hash.update(chunk);
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
    },
    result: () => ({ sizeBytes, sha256: hash.digest(), head: Buffer.concat(heads) }),
  };
}
