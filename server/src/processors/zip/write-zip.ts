import { createReadStream, readFileSync } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { setImmediate as turn } from "node:timers/promises";
import { pipeline } from "node:stream/promises";
import { crc32, createDeflateRaw } from "node:zlib";
import { SMALL_BYTES, smallEntry } from "../../zip/small-entry.ts";
import { centralHeader, endRecords, LARGE_BYTES, localHeader, UNREAD, type ZipEntry } from "../../zip/zip-records.ts";

export interface FileToZip {
  /** As it will stand in the archive. */
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly compress: boolean;
}

const BUFFERED_BYTES = 256 * 1024;
/** Small files are packed without waiting, for so long at a time; then the signal gets its turn. */
const TURN_MS = 20;

/**
 * Writes a zip to `path`, which must not exist, and calls `done` after each file. Of an archive of a million files nothing
 * is held but the list at its end, some 100 bytes a file. Sizes stand in front of the contents, so that an archive
 * can be unpacked as it is read. Rejects the file system's errors and the reason of `signal`.
 *
 * Our own because yazl took 20 s of CPU for 20,000 files of 160 bytes (streams for each, and a look at all entries before
 * each), where this took 2.5 s for 70,000.
 */
export async function writeZip(files: Iterable<FileToZip>, to: { path: string; signal: AbortSignal; done: () => void }): Promise<void> {
  const handle = await open(to.path, "wx");
  try {
    const output = createOutput(handle);
    const list: Buffer[] = [];
    let lastTurn = performance.now();
    for (const file of files) {
      const record = file.sizeBytes <= SMALL_BYTES ? addSmall(file, output) : await addStreamed(file, output, to.signal);
      list.push(record);
      to.done();
      if (output.isFull()) await output.flush();
      if (performance.now() < lastTurn + TURN_MS) continue;
      await turn();
      to.signal.throwIfAborted();
      lastTurn = performance.now();
    }
    await writeList(list, output);
    await output.flush();
  } finally {
    await handle.close();
  }
}

async function writeList(list: readonly Buffer[], output: Output): Promise<void> {
  const offset = output.offset();
  for (const record of list) {
    output.add(record);
    if (output.isFull()) await output.flush();
  }
  output.add(endRecords({ entries: list.length, offset, sizeBytes: output.offset() - offset }));
}

/** Gives the entry's record of the list at the end. */
function addSmall(file: FileToZip, output: Output): Buffer {
  const { parts, record } = smallEntry({ ...file, bytes: readFileSync(file.path), offset: output.offset() });
  for (const part of parts) output.add(part);
  return record;
}

/** The header goes in front with its length alone, and is written again once the sizes are known. */
async function addStreamed(file: FileToZip, output: Output, signal: AbortSignal): Promise<Buffer> {
  const isLarge = file.sizeBytes >= LARGE_BYTES;
  const entry: ZipEntry = {
    name: Buffer.from(file.name),
    deflated: file.compress,
    isLarge,
    sizesFollow: false,
    offset: output.offset(),
  };
  output.add(localHeader(entry, UNREAD));
  const start = output.offset();
  let bytes = 0;
  let checksum = 0;
  async function* counted(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      bytes += chunk.length;
      checksum = crc32(chunk, checksum);
      yield chunk;
    }
  }
  async function write(chunks: AsyncIterable<Buffer>): Promise<void> {
    for await (const chunk of chunks) {
      output.add(chunk);
      if (output.isFull()) await output.flush();
    }
  }
  const source = createReadStream(file.path, { highWaterMark: BUFFERED_BYTES });
  if (file.compress) await pipeline(source, counted, createDeflateRaw(), write, { signal });
  else await pipeline(source, counted, write, { signal });
  const content = { crc32: checksum, packedBytes: output.offset() - start, bytes };
  await output.flush();
  await output.replace(entry.offset, localHeader(entry, content));
  return centralHeader(entry, content);
}

interface Output {
  /** Where the next byte goes. */
  offset(): number;
  add(bytes: Buffer): void;
  isFull(): boolean;
  flush(): Promise<void>;
  /** Only what was flushed. */
  replace(offset: number, bytes: Buffer): Promise<void>;
}

function createOutput(handle: FileHandle): Output {
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let written = 0;
  return {
    offset: () => written + waitingBytes,
    add(bytes) {
      waiting.push(bytes);
      waitingBytes += bytes.length;
    },
    isFull: () => waitingBytes >= BUFFERED_BYTES,
    async flush() {
      const block = Buffer.concat(waiting);
      waiting = [];
      waitingBytes = 0;
      await writeAll(handle, block, written);
      written += block.length;
    },
    replace: (offset, bytes) => writeAll(handle, bytes, offset),
  };
}

/** A disk that fills up takes a part of a write before it refuses the next. */
async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}
