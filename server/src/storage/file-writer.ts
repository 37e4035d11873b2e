import type { FileHandle } from "node:fs/promises";
import { Writable } from "node:stream";

/**
 * Chunks of a socket have at most 64 KiB; a call for each would cost more in waking threads than in writing. So many are
 * gathered before the first call; a slow upload holds no more than that.
 */
const GATHERED_BYTES = 256 * 1_024;
/** The same for chunks of a few bytes each, which weigh more than what they hold; below IOV_MAX, 1,024. */
const GATHERED_CHUNKS = 128;
/** Gathered while a call is under way, before the source has to wait. */
const BUFFERED_BYTES = 1_024 * 1_024;

export interface FileWriter {
  readonly writable: Writable;
  sizeBytes(): number;
}

export interface FileWriterOptions {
  /** Gets each chunk that is written. */
  readonly release?: ((chunk: Buffer) => void) | undefined;
  /** What a failed write means to whoever reads the error; unless told, it is what the file system says. */
  readonly meaning?: (error: unknown) => Error;
}

/**
 * Writes to the file what comes, in few large calls. Unlike a write stream of node:fs, it can say what a failed write means,
 * so that it can't be taken for the source's error.
 */
export function createFileWriter(handle: FileHandle, { release, meaning }: FileWriterOptions): FileWriter {
  let sizeBytes = 0;
  let gathered: Buffer[] = [];
  let gatheredBytes = 0;

  function gather(chunk: Buffer): void {
    gathered.push(chunk);
    gatheredBytes += chunk.length;
  }

  async function flush(): Promise<void> {
    const chunks = gathered;
    gathered = [];
    gatheredBytes = 0;
    for (let start = 0; start < chunks.length; start += GATHERED_CHUNKS) {
      await writeAll(chunks.slice(start, start + GATHERED_CHUNKS));
    }
    if (release !== undefined) for (const chunk of chunks) release(chunk);
  }

  async function writeAll(chunks: Buffer[]): Promise<void> {
    let pending = chunks;
    while (pending.length > 0) {
      const { bytesWritten } = await handle.writev(pending);
      sizeBytes += bytesWritten;
      pending = remaining(pending, bytesWritten);
    }
  }

  function settle(work: Promise<void>, done: (error?: Error) => void): void {
    work.then(
      () => done(),
      (error: unknown) => done(meaning?.(error) ?? (error instanceof Error ? error : new Error(String(error)))),
    );
  }

  function flushIfMany(done: (error?: Error) => void): void {
    if (gatheredBytes < GATHERED_BYTES && gathered.length < GATHERED_CHUNKS) done();
    else settle(flush(), done);
  }

  const writable = new Writable({
    highWaterMark: BUFFERED_BYTES,
    write(chunk: Buffer, _encoding, done) {
      gather(chunk);
      flushIfMany(done);
    },
    writev(chunks, done) {
      for (const { chunk } of chunks) gather(chunk);
      flushIfMany(done);
    },
    final: (done) => settle(flush(), done),
  });
  return { writable, sizeBytes: () => sizeBytes };
}

/** A disk that fills up takes a part of a write before it refuses the next. */
function remaining(chunks: readonly Buffer[], written: number): Buffer[] {
  let skip = written;
  return chunks.flatMap((chunk) => {
    const taken = Math.min(skip, chunk.length);
    skip -= taken;
    return taken === chunk.length ? [] : [chunk.subarray(taken)];
  });
}
