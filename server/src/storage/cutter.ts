import { Readable } from "node:stream";

export interface Cutter {
  /** Up to so many bytes as one buffer. */
  take(maxBytes: number): Promise<Buffer>;
  putBack(chunk: Buffer): void;
  /** Waits for the next byte or the end. */
  ended(): Promise<boolean>;
  /** The next so many bytes as a stream; `drained` when its last byte was taken from the source. */
  cut(maxBytes: number): { stream: Readable; drained: Promise<void> };
  /** Tells the source that no more is wanted. */
  close(): void;
}

/** Cuts one stream of chunks into pieces, without copying. */
export function createCutter(content: AsyncIterable<Buffer>): Cutter {
  const iterator = content[Symbol.asyncIterator]();
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
    async take(maxBytes) {
      const parts = await Array.fromAsync(piece(maxBytes, deferred()));
      return Buffer.concat(parts);
    },
    putBack(chunk) {
      carry = carry === undefined ? chunk : Buffer.concat([chunk, carry]);
    },
    async ended() {
      carry = await next();
      return carry === undefined;
    },
    cut(maxBytes) {
      const drained = deferred();
      return { stream: Readable.from(piece(maxBytes, drained), { objectMode: false }), drained: drained.promise };
    },
    close() {
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
