import { addAbortSignal, Readable } from "node:stream";
import { StorageError } from "../../errors.ts";
import type { ByteRange } from "../object-store.ts";

/** What a server gave for one range request; only part of it may come. */
export interface OpenedRange {
  readonly stream: Readable;
  /** Which bytes the server says these are, inclusive, and of how many. */
  readonly start: number;
  readonly end: number;
  readonly totalBytes: number;
}

export interface ReadOnOptions {
  readonly what: string;
  /** `end` left out: to the end of the object. Undefined: the object is no longer than `start`. */
  readonly open: (range: { start: number; end?: number }) => Promise<OpenedRange | undefined>;
  readonly range: ByteRange | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly stallMs?: number;
}

/** Between two chunks, while somebody waits for the next. */
const STALL_MS = 10_000;
/** Answers that break off in a row without a single byte. */
const MAX_EMPTY_HANDED = 4;

/**
 * The bytes of a range as one stream, which goes on where an answer breaks off or stalls. The server has said how many
 * bytes it has, so that a body that ends too early is never taken for the end. Rejects what the first `open` rejects with.
 */
export async function readOn(options: ReadOnOptions): Promise<Readable> {
  const { range } = options;
  const first = await options.open(range ?? { start: 0 });
  if (first === undefined) return Readable.from([], { objectMode: false });
  const end = range === undefined ? first.totalBytes - 1 : Math.min(range.end, first.totalBytes - 1);
  const reading = { ...options, opened: first, end };
  const content = Readable.from(bytes(reading), { objectMode: false });
  // A generator that was never started, or that waits for a chunk, does not run its finally.
  content.once("close", () => reading.opened.stream.destroy());
  return options.signal === undefined ? content : addAbortSignal(options.signal, content);
}

interface Reading extends ReadOnOptions {
  opened: OpenedRange;
  readonly end: number;
}

async function* bytes(reading: Reading): AsyncGenerator<Buffer> {
  const { end, what } = reading;
  const { totalBytes } = reading.opened;
  let offset = reading.opened.start;
  let emptyHanded = 0;
  for (;;) {
    const before = offset;
    let cause: unknown;
    try {
      for await (const chunk of chunksOf(reading.opened.stream, reading.stallMs ?? STALL_MS)) {
        const wanted = chunk.subarray(0, end + 1 - offset);
        offset += wanted.length;
        yield wanted;
        if (offset > end) return;
      }
    } catch (error) {
      cause = error;
    } finally {
      reading.opened.stream.destroy();
    }
    if (offset > end) return;
    emptyHanded = offset > before ? 0 : emptyHanded + 1;
    if (emptyHanded >= MAX_EMPTY_HANDED) {
      throw new StorageError("unavailable", `${what}: the answer breaks off at byte ${offset} of ${totalBytes}`, { cause });
    }
    reading.opened = await openAgain({ start: offset, end }, totalBytes, reading);
  }
}

async function openAgain(range: ByteRange, totalBytes: number, { open, what }: ReadOnOptions): Promise<OpenedRange> {
  const opened = await open(range);
  if (opened?.totalBytes === totalBytes) return opened;
  opened?.stream.destroy();
  throw new StorageError(
    "damaged",
    `${what}: it had ${totalBytes} bytes and has ${opened?.totalBytes ?? "fewer"} now, though objects never change`,
  );
}

async function* chunksOf(stream: Readable, stallMs: number): AsyncGenerator<Buffer> {
  const chunks: AsyncIterator<Buffer> = stream[Symbol.asyncIterator]();
  let timer: NodeJS.Timeout | undefined;
  try {
    for (;;) {
      timer = setTimeout(() => stream.destroy(new Error(`no byte came for ${stallMs} ms`)), stallMs);
      const { done, value } = await chunks.next();
      clearTimeout(timer);
      if (done === true) return;
      yield value;
    }
  } finally {
    clearTimeout(timer);
  }
}
