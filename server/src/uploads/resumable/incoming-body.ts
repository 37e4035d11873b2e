import type { Readable } from "node:stream";

/**
 * How a body ended. `cut`: the client is gone. `asked`: we stopped reading. What came till then is whole bytes in order,
 * and is kept: "The Server SHOULD always attempt to store as much of the received data as possible."
 */
export type Ending = "whole" | "cut" | "asked";

/** A request's body that ends where others fail. */
export interface IncomingBody {
  /** The next bytes, up to so many, or fewer where the connection is slow; see below. One piece at a time. */
  piece(maxBytes: number): AsyncGenerator<Buffer>;
  /** Undefined until the last byte was taken. */
  ending(): Ending | undefined;
}

/**
 * What is not yet durable is lost with the process. So a piece ends after so long, once it is worth an object: on a line of
 * 1 MB/s a crash costs 5 s of sending instead of the minute that 64 MiB take.
 */
const LONG_MS = 5_000;
const WORTH_AN_OBJECT_BYTES = 4 * 2 ** 20;

export function openBody(request: Readable, options: { stop: AbortSignal; onBytes: () => void }): IncomingBody {
  const { stop, onBytes } = options;
  // The socket still has to carry the answer.
  const iterator = request.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]();
  let carry: Buffer | undefined;
  let ending: Ending | undefined;
  let wake: (() => void) | undefined;
  const onStop = () => {
    ending ??= "asked";
    wake?.();
  };
  if (stop.aborted) onStop();
  stop.addEventListener("abort", onStop, { once: true });

  async function next(): Promise<Buffer | undefined> {
    if (carry !== undefined) {
      const chunk = carry;
      carry = undefined;
      return chunk;
    }
    if (ending !== undefined) return undefined;
    // Not Promise.race with the signal: its promise would keep a reaction for every chunk until the end.
    const coming = Promise.withResolvers<Buffer | undefined>();
    wake = () => coming.resolve(undefined);
    iterator.next().then(
      ({ done, value }: IteratorResult<Buffer>) => {
        if (done === true) ending ??= "whole";
        coming.resolve(done === true ? undefined : value);
      },
      () => {
        ending ??= "cut";
        coming.resolve(undefined);
      },
    );
    const chunk = await coming.promise;
    if (chunk !== undefined) onBytes();
    return chunk;
  }

  return {
    async *piece(maxBytes) {
      const startedAt = performance.now();
      let left = maxBytes;
      while (left > 0) {
        const chunk = await next();
        if (chunk === undefined) return;
        if (chunk.length > left) carry = chunk.subarray(left);
        const part = chunk.subarray(0, left);
        left -= part.length;
        yield part;
        if (maxBytes - left >= WORTH_AN_OBJECT_BYTES && performance.now() - startedAt >= LONG_MS) return;
      }
    },
    ending: () => (carry === undefined ? ending : undefined),
  };
}
