import { randomUUID } from "node:crypto";
import { open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { putError } from "../disk-errors.ts";

/** Small enough to be sent again, and kept in memory, without a thought; S3 takes 10,000 parts of at least 5 MiB. */
export const PART_BYTES = 8 * 2 ** 20;

/** Keeps the bytes of one part. Written first, then read as often as needed, then freed. */
export interface PartHolder {
  write(chunk: Buffer): Promise<void> | void;
  read(): AsyncIterable<Buffer>;
  /** Done; the memory may hold other bytes. */
  free(): Promise<void>;
  /** As free, where somebody may still be reading: the memory is not used again. */
  drop(): Promise<void>;
}

export interface PartHolders {
  take(): Promise<PartHolder>;
}

/** 64 MiB. What is more than that at once, of clients that may all be slow, waits in files. */
const IN_MEMORY = 8;
/** Kept for the next part; the others go back to the system. */
const KEPT_FREE = 4;
const READ_BYTES = 256 * 1_024;

/** Holders in memory as long as there are few, else in files below `spool` that have no name and vanish with the process. */
export function createPartHolders(spool: string, { inMemory = IN_MEMORY } = {}): PartHolders {
  const free: Buffer[] = [];
  let used = 0;

  function inMemoryHolder(): PartHolder {
    // Not filled: pages that no byte was written to cost nothing.
    let buffer: Buffer | undefined = free.pop() ?? Buffer.allocUnsafeSlow(PART_BYTES);
    let size = 0;
    used++;
    const end = () => {
      const ended = buffer;
      if (ended !== undefined) used--;
      buffer = undefined;
      return ended;
    };
    return {
      write(chunk) {
        size += buffer === undefined ? 0 : chunk.copy(buffer, size);
      },
      async *read() {
        for (let start = 0; start < size; start += READ_BYTES) {
          if (buffer !== undefined) yield buffer.subarray(start, Math.min(start + READ_BYTES, size));
        }
      },
      async free() {
        const ended = end();
        if (ended !== undefined && free.length < KEPT_FREE) free.push(ended);
      },
      async drop() {
        end();
      },
    };
  }

  return { take: async () => (used < inMemory ? inMemoryHolder() : await inFileHolder(spool)) };
}

async function inFileHolder(spool: string): Promise<PartHolder> {
  const path = join(spool, `filemill-part-${randomUUID()}`);
  const handle = await open(path, "wx+", 0o600).catch((error: unknown) => {
    throw putError(error, `a part that waits in ${spool}`);
  });
  await unlink(path);
  let size = 0;
  let closing: Promise<void> | undefined;
  const end = () => (closing ??= handle.close());
  return {
    async write(chunk) {
      try {
        for (let done = 0; done < chunk.length;) {
          const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, size);
          done += bytesWritten;
          size += bytesWritten;
        }
      } catch (error) {
        throw putError(error, `a part that waits in ${spool}`);
      }
    },
    async *read() {
      for (let start = 0; start < size;) {
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(READ_BYTES), 0, Math.min(READ_BYTES, size - start), start);
        start += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    },
    free: end,
    drop: end,
  };
}
