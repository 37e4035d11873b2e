import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { PART_BYTES, type PartHolder, type PartHolders } from "./part-holders.ts";

/** A piece of an object as it is sent: kept until the server has confirmed it, so that it can be sent again. */
export interface Part {
  readonly sizeBytes: number;
  readonly md5: Buffer;
  /** Nothing follows. */
  readonly isLast: boolean;
  /** Its bytes, as often as they are needed. */
  body(): Readable;
  /** Its memory may hold other bytes: only when nobody reads a body any more. */
  free(): Promise<void>;
  /** As free, where somebody may still be reading a body. */
  drop(): Promise<void>;
}

/** Cuts content into parts of PART_BYTES; the last is smaller, and empty where the content is. `release`: see PutOptions. */
export async function* cutIntoParts(
  content: AsyncIterable<Buffer>,
  { holders, release }: { holders: PartHolders; release: ((chunk: Buffer) => void) | undefined },
): AsyncGenerator<Part> {
  const chunks = content[Symbol.asyncIterator]();
  let rest = await nextOf(chunks);
  do {
    const holder = await holders.take();
    const hash = createHash("md5");
    let sizeBytes = 0;
    try {
      while (rest !== undefined && sizeBytes < PART_BYTES) {
        const taken = rest.subarray(0, PART_BYTES - sizeBytes);
        await holder.write(taken);
        hash.update(taken);
        sizeBytes += taken.length;
        if (taken.length < rest.length) {
          rest = rest.subarray(taken.length);
          continue;
        }
        release?.(rest);
        rest = await nextOf(chunks);
      }
    } catch (error) {
      await holder.drop();
      throw error;
    }
    yield partOf(holder, { sizeBytes, md5: hash.digest(), isLast: rest === undefined });
  } while (rest !== undefined);
}

async function nextOf(chunks: AsyncIterator<Buffer>): Promise<Buffer | undefined> {
  for (;;) {
    const { done, value } = await chunks.next();
    if (done === true) return undefined;
    const chunk = Buffer.isBuffer(value) ? value : Buffer.from(value);
    if (chunk.length > 0) return chunk;
  }
}

function partOf(holder: PartHolder, known: { sizeBytes: number; md5: Buffer; isLast: boolean }): Part {
  return {
    ...known,
    body: () => Readable.from(holder.read(), { objectMode: false }),
    free: () => holder.free(),
    drop: () => holder.drop(),
  };
}
