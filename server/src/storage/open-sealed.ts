import type { Readable } from "node:stream";
import { chunkCount, chunkOffset, CHUNK_BYTES, MESSAGE_HEAD_BYTES, messageBytes } from "./encrypt/layout.ts";
import type { MessageKey } from "./encrypt/message-key.ts";
import { openChunks, openHead, type ChunkRange, type SealedObject } from "./encrypt/open.ts";
import { MAX_HEAD_BYTES } from "./encrypt/prefix.ts";
import type { ByteRange } from "./object-store.ts";

export interface SealedSource {
  /** Of the content. */
  readonly range: ByteRange;
  /** The stored bytes of a range; what lies behind the end of the object is left out. */
  get(stored: ByteRange): Promise<Readable>;
}

export interface OpenedSealed {
  /** The range of the content; fails with UnsealError before any byte of a chunk that is not what was sealed. */
  readonly chunks: AsyncIterable<Buffer>;
  /** For where nobody reads the chunks. */
  close(): void;
}

/**
 * Opens a range of a sealed object, fetching only the chunks that it lies in, and the head. Its key has been checked when
 * this resolves. A range that ends where the content does is read to the end of the object and one byte on, so that
 * nothing can be missing there or added. Rejects UnsealError, or as `get`.
 */
export async function openSealed(object: SealedObject, { range, get }: SealedSource): Promise<OpenedSealed> {
  const chunks = chunksOf(object.sizeBytes, range);
  const { stored, messageKey } = await openStored(object, { chunks, get });
  const opened = openChunks(stored.bytes(), { ...chunks, messageKey });
  const offset = chunks.firstChunk * CHUNK_BYTES;
  return { chunks: within(opened, { start: range.start - offset, end: range.end - offset }), close: stored.close };
}

function chunksOf(sizeBytes: number, range: ByteRange): ChunkRange {
  const firstChunk = Math.floor(range.start / CHUNK_BYTES);
  const lastChunk = range.end >= sizeBytes - 1 ? chunkCount(sizeBytes) - 1 : Math.floor(range.end / CHUNK_BYTES);
  return { sizeBytes, firstChunk, lastChunk };
}

/** The stored bytes from the first chunk on; in one request where they follow the head. */
async function openStored(
  object: SealedObject,
  { chunks, get }: Pick<SealedSource, "get"> & { readonly chunks: ChunkRange },
): Promise<{ stored: Started; messageKey: MessageKey }> {
  const { firstChunk, lastChunk, sizeBytes } = chunks;
  // How long the prefix is, it says itself: what is asked for too much at the end is not looked at, or is not there.
  const afterHead = lastChunk === chunkCount(sizeBytes) - 1 ? messageBytes(sizeBytes) : chunkOffset(lastChunk + 1);
  const first = startReading(await get({ start: 0, end: firstChunk === 0 ? MAX_HEAD_BYTES + afterHead : MAX_HEAD_BYTES - 1 }));
  try {
    const { messageKey, prefixBytes } = openHead(await first.peek(MAX_HEAD_BYTES), object);
    if (firstChunk === 0) {
      first.skip(prefixBytes + MESSAGE_HEAD_BYTES);
      return { stored: first, messageKey };
    }
    first.close();
    const stored = await get({ start: prefixBytes + chunkOffset(firstChunk), end: prefixBytes + afterHead });
    return { stored: startReading(stored), messageKey };
  } catch (error) {
    first.close();
    throw error;
  }
}

interface Started {
  /** The next bytes, fewer where the stream ends before; they still come. */
  peek(maxBytes: number): Promise<Buffer>;
  /** Bytes that were peeked at. */
  skip(bytes: number): void;
  bytes(): AsyncGenerator<Buffer>;
  close(): void;
}

function startReading(stream: Readable): Started {
  const iterator: AsyncIterator<Buffer> = stream[Symbol.asyncIterator]();
  let peeked: Buffer = Buffer.alloc(0);
  return {
    async peek(maxBytes) {
      while (peeked.length < maxBytes) {
        const next = await iterator.next();
        if (next.done === true) break;
        peeked = peeked.length === 0 ? next.value : Buffer.concat([peeked, next.value]);
      }
      return peeked.subarray(0, maxBytes);
    },
    skip(bytes) {
      peeked = peeked.subarray(bytes);
    },
    async *bytes() {
      try {
        if (peeked.length > 0) yield peeked;
        for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
      } finally {
        stream.destroy();
      }
    },
    close: () => stream.destroy(),
  };
}

/** Of what the whole chunks hold, the bytes from `start` to `end`. */
async function* within(opened: AsyncIterable<Buffer>, { start, end }: ByteRange): AsyncGenerator<Buffer> {
  let offset = 0;
  for await (const chunk of opened) {
    const part = chunk.subarray(Math.max(start - offset, 0), end + 1 - offset);
    offset += chunk.length;
    if (part.length > 0) yield part.length === chunk.length ? chunk : part;
  }
}
