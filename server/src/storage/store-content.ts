import { Readable } from "node:stream";
import { segmentKey } from "./keys.ts";
import type { ObjectStore } from "./object-store.ts";
import { MAX_INLINE_BYTES, MAX_SEGMENT_BYTES, type StoredContent, type StoredSegment } from "./stored-content.ts";

export interface ContentPlace {
  readonly store: ObjectStore;
  readonly tenantId: string;
  readonly fileId: string;
  readonly epoch: number;
  readonly signal?: AbortSignal;
  /** As in ObjectStore.put. May also get parts of a chunk, where a segment ends inside it. */
  readonly release?: (chunk: Buffer) => void;
}

/** One segment may still be in its fsync while the next one streams; never more, so that memory stays flat. */
const MAX_PUTS_UNDER_WAY = 2;

/**
 * Stores a stream: up to 16 KiB stay in memory for the row, more goes to the store as it comes, in segments of at most
 * 64 MiB. When it resolves, every segment is durable; when it rejects, with the stream's own error or StorageError, every
 * segment is gone again.
 */
export async function storeContent(content: AsyncIterable<Buffer>, place: ContentPlace): Promise<StoredContent> {
  const source = createCutter(content[Symbol.asyncIterator]());
  const { store, tenantId, fileId, epoch, signal, release } = place;
  const options = { ...(signal && { signal }), ...(release && { release }) };
  const puts: Promise<StoredSegment>[] = [];
  try {
    const start = await source.take(MAX_INLINE_BYTES + 1);
    if (start.length <= MAX_INLINE_BYTES) return { inline: start };
    source.putBack(start);
    while (!(await source.ended())) {
      await puts[puts.length - MAX_PUTS_UNDER_WAY];
      const key = segmentKey({ tenantId, fileId, epoch, segment: puts.length });
      const { stream, drained } = source.cut(MAX_SEGMENT_BYTES);
      const put = store.put(key, stream, options).then(({ sizeBytes }) => ({ store: store.name, key, sizeBytes }));
      puts.push(put);
      await Promise.race([drained, put]);
    }
    return { segments: await Promise.all(puts) };
  } catch (error) {
    source.close();
    const settled = await Promise.allSettled(puts);
    const segments = settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    await deleteContent(store, { segments });
    throw error;
  }
}

/**
 * Deletes the objects of content that will not be recorded. Never rejects: what can't be deleted now has no row, and
 * garbage collection finds it by that.
 */
export async function deleteContent(store: ObjectStore, content: StoredContent): Promise<void> {
  if ("inline" in content) return;
  await Promise.allSettled(content.segments.map(({ key }) => store.delete(key)));
}

/** Cuts one stream of chunks into pieces, without copying. */
function createCutter(iterator: AsyncIterator<Buffer>) {
  let carry: Buffer | undefined;

  async function next(): Promise<Buffer | undefined> {
    for (;;) {
      const chunk = carry ?? (await iterator.next().then(({ done, value }) => (done === true ? undefined : value)));
      carry = undefined;
      if (chunk === undefined || chunk.length > 0) return chunk;
    }
  }

  async function* piece(maxBytes: number, drained: PromiseWithResolvers<void>): AsyncGenerator<Buffer> {
    let left = maxBytes;
    try {
      while (left > 0) {
        const chunk = await next();
        if (chunk === undefined) break;
        if (chunk.length > left) carry = chunk.subarray(left);
        const part = chunk.subarray(0, left);
        left -= part.length;
        yield part;
      }
      drained.resolve();
    } catch (error) {
      drained.reject(error);
      throw error;
    }
  }

  return {
    async take(maxBytes: number): Promise<Buffer> {
      const parts = await Array.fromAsync(piece(maxBytes, deferred()));
      return Buffer.concat(parts);
    },
    putBack(chunk: Buffer): void {
      carry = carry === undefined ? chunk : Buffer.concat([chunk, carry]);
    },
    async ended(): Promise<boolean> {
      carry = await next();
      return carry === undefined;
    },
    cut(maxBytes: number): { stream: Readable; drained: Promise<void> } {
      const drained = deferred();
      return { stream: Readable.from(piece(maxBytes, drained), { objectMode: false }), drained: drained.promise };
    },
    close(): void {
      // Not waited for: a source that is silent would hold up the failure.
      iterator.return?.().catch(() => undefined);
    },
  };
}

/** Its failure is always told elsewhere too: by the put that reads the piece, or by the piece itself. */
function deferred(): PromiseWithResolvers<void> {
  const made = Promise.withResolvers<void>();
  made.promise.catch(() => undefined);
  return made;
}
