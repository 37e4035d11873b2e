import { timingSafeEqual } from "node:crypto";
import { freeChunk } from "../../free-chunk.ts";
import { chunkCount, CHUNK_BYTES, MESSAGE_HEAD_BYTES, messageBytes, SALT_BYTES } from "./layout.ts";
import { deriveMessageKey, type MessageKey } from "./message-key.ts";
import { createOpener, type OpenedTarget } from "./opener.ts";
import { findPrefix } from "./prefix.ts";
import { UnsealError } from "./unseal-error.ts";

export interface SealedObject {
  readonly tenantId: string;
  readonly objectId: string;
  readonly dek: Buffer;
  /** Of the content. */
  readonly sizeBytes: number;
}

export interface OpenedHead {
  readonly messageKey: MessageKey;
  /** Where the message begins in the object. */
  readonly prefixBytes: number;
}

/** Checks the start of an object (up to MAX_HEAD_BYTES of it) and its commitment to the key. Throws UnsealError. */
export function openHead(head: Buffer, { dek, ...name }: Omit<SealedObject, "sizeBytes">): OpenedHead {
  const prefix = findPrefix(head, name);
  if (typeof prefix === "string") throw new UnsealError(prefix);
  const message = head.subarray(prefix.length, prefix.length + MESSAGE_HEAD_BYTES);
  if (message.length < MESSAGE_HEAD_BYTES) throw new UnsealError("it ends before its first chunk");
  const messageKey = deriveMessageKey(dek, { salt: message.subarray(0, SALT_BYTES), prefix });
  if (!timingSafeEqual(messageKey.commitment, message.subarray(SALT_BYTES))) {
    throw new UnsealError("it was sealed with another key, or its head was changed");
  }
  return { messageKey, prefixBytes: prefix.length };
}

/** The content of a small object that is in memory. Throws UnsealError. */
export function openBytes(sealed: Buffer, object: SealedObject): Buffer {
  const { messageKey, prefixBytes } = openHead(sealed, object);
  const { sizeBytes } = object;
  if (sealed.length !== prefixBytes + messageBytes(sizeBytes)) throw new UnsealError(`its length is not that of ${sizeBytes} bytes`);
  const opener = createOpener(messageKey, { sizeBytes, firstChunk: 0 });
  const target = { bytes: Buffer.allocUnsafe(sizeBytes), filled: 0 };
  for (let rest = sealed.subarray(prefixBytes + MESSAGE_HEAD_BYTES); rest.length > 0;) rest = opener.add(rest, target);
  return target.bytes;
}

/** Chunks that go on together. */
const BATCH_BYTES = 16 * CHUNK_BYTES;

export interface ChunkRange {
  readonly sizeBytes: number;
  readonly firstChunk: number;
  /** Inclusive. Where it is the content's last chunk, nothing may follow it; else what follows is not looked at. */
  readonly lastChunk: number;
}

/**
 * The content of some chunks, of which `sealed` is the stored bytes. Nothing of a chunk comes out before all of it was
 * checked. What comes has memory of its own; the memory of what was read is freed, so that nobody else may hold it. Throws
 * UnsealError.
 */
export async function* openChunks(
  sealed: AsyncIterable<Buffer>,
  { messageKey, sizeBytes, firstChunk, lastChunk }: ChunkRange & { readonly messageKey: MessageKey },
): AsyncGenerator<Buffer> {
  const opener = createOpener(messageKey, { sizeBytes, firstChunk });
  const isToEnd = lastChunk === chunkCount(sizeBytes) - 1;
  let leftBytes = Math.min(sizeBytes, (lastChunk + 1) * CHUNK_BYTES) - firstChunk * CHUNK_BYTES;
  let target = batch(leftBytes);
  for await (const piece of sealed) {
    for (let rest = piece; rest.length > 0 && (isToEnd || opener.index <= lastChunk);) {
      if (opener.index > lastChunk) throw new UnsealError("there is more of it than was stored");
      rest = opener.add(rest, target);
      // The last batch waits until it is known that nothing follows.
      if (target.filled < target.bytes.length || target.filled === leftBytes) continue;
      leftBytes -= target.filled;
      yield target.bytes;
      target = batch(leftBytes);
    }
    freeChunk(piece);
    if (!isToEnd && opener.index > lastChunk) break;
  }
  if (opener.index <= lastChunk) throw new UnsealError("its end is missing");
  if (target.filled > 0) yield target.bytes;
}

function batch(leftBytes: number): OpenedTarget {
  return { bytes: Buffer.allocUnsafeSlow(Math.min(leftBytes, BATCH_BYTES)), filled: 0 };
}
