import { pipeline, Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { crc32, createDeflateRaw } from "node:zlib";
import type { ContentStore } from "../storage/content-store.ts";
import { SMALL_BYTES, smallEntry } from "../zip/small-entry.ts";
import { centralHeader, endRecords, LARGE_BYTES, localHeader, sizesRecord, UNREAD } from "../zip/zip-records.ts";
import type { FileManifest } from "./content.ts";

export interface ZipEntry {
  /** Made safe and unique here; a user's words may be in it. */
  readonly path: string;
  readonly file: FileManifest;
}

/** Sent at once: each piece of a response costs more than a small file does. */
const BLOCK_BYTES = 64 * 1024;
/** Small files are packed without waiting, for so long at a time; then other requests get their turn. */
const TURN_MS = 10;
/** Types that are packed already; deflating them again costs time and gives nothing. */
const PACKED = /^(?:image\/(?!svg|bmp|tiff)|video\/|audio\/|application\/(?:zip|gzip|x-7z|x-xz|pdf|vnd\.apache\.parquet))/;

/**
 * A zip of the entries as a stream, made while it is read: one file is open at a time, whatever the number, and only the
 * list at its end is held. Fails the stream where an entry can't be read, so that nobody takes half an archive for a whole one.
 */
export function zipFiles(entries: AsyncIterable<ZipEntry>, contents: ContentStore, signal: AbortSignal): Readable {
  return Readable.from(inBlocks(zipped(entries, contents, signal)), { objectMode: false });
}

async function* inBlocks(parts: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let block: Buffer[] = [];
  let bytes = 0;
  for await (const part of parts) {
    block.push(part);
    bytes += part.length;
    if (bytes < BLOCK_BYTES) continue;
    yield Buffer.concat(block);
    block = [];
    bytes = 0;
  }
  yield Buffer.concat(block);
}

async function* zipped(entries: AsyncIterable<ZipEntry>, contents: ContentStore, signal: AbortSignal): AsyncGenerator<Buffer> {
  const uniqueName = createUniqueNames();
  const list: Buffer[] = [];
  let offset = 0;
  let lastTurn = performance.now();
  for await (const { path, file } of entries) {
    signal.throwIfAborted();
    const entry: EntryToZip = { name: uniqueName(safePath(path)), file, compress: !PACKED.test(file.mediaType), offset, contents, signal };
    const parts = file.sizeBytes <= SMALL_BYTES ? small(entry, list) : streamed(entry, list);
    for await (const part of parts) {
      offset += part.length;
      yield part;
    }
    if (performance.now() < lastTurn + TURN_MS) continue;
    await turn();
    lastTurn = performance.now();
  }
  yield* list;
  const sizeBytes = list.reduce((sum, record) => sum + record.length, 0);
  yield endRecords({ entries: list.length, offset, sizeBytes });
}

interface EntryToZip {
  readonly name: string;
  readonly file: FileManifest;
  readonly compress: boolean;
  readonly offset: number;
  readonly contents: ContentStore;
  readonly signal: AbortSignal;
}

async function* small(entry: EntryToZip, list: Buffer[]): AsyncGenerator<Buffer> {
  const { file, contents, signal } = entry;
  const bytes = await contents.bytes(file, { signal });
  const { parts, record } = smallEntry({ ...entry, bytes });
  list.push(record);
  yield* parts;
}

async function* streamed({ name, file, compress, offset, contents, signal }: EntryToZip, list: Buffer[]): AsyncGenerator<Buffer> {
  const source = await contents.read(file, { signal });
  const entry = { name: Buffer.from(name), deflated: compress, isLarge: file.sizeBytes >= LARGE_BYTES, sizesFollow: true, offset };
  const content = { ...UNREAD };
  async function* counted(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      content.bytes += chunk.length;
      content.crc32 = crc32(chunk, content.crc32);
      yield chunk;
    }
  }
  yield localHeader(entry, UNREAD);
  // Errors come out of the stream that is read.
  const packed: AsyncIterable<Buffer> = compress ? pipeline(source, counted, createDeflateRaw(), () => undefined) : counted(source);
  for await (const chunk of packed) {
    content.packedBytes += chunk.length;
    yield chunk;
  }
  yield sizesRecord(entry, content);
  list.push(centralHeader(entry, content));
}

/** Relative, with forward slashes, without dots that climb, control characters or empty parts. */
function safePath(path: string): string {
  const parts = path
    .split(/[/\\]/)
    // oxlint-disable-next-line no-control-regex -- these are what it replaces
    .map((part) => part.replaceAll(/[\u0000-\u001f\u007f:*?"<>|]/g, "_").trim())
    .filter((part) => part !== "" && part !== "." && part !== "..");
  return parts.join("/") || "file";
}

/** `a/b.txt` a second time becomes `a/b (2).txt`; told apart without regard to case, as some file systems do. */
function createUniqueNames(): (path: string) => string {
  const taken = new Set<string>();
  const next = new Map<string, number>();
  return (path) => {
    const [, stem = path, extension = ""] = /^(.*?)(\.[^./]*)?$/.exec(path) ?? [];
    const key = path.toLowerCase();
    let name = path;
    for (let count = next.get(key) ?? 2; taken.has(name.toLowerCase()); count++) {
      name = `${stem} (${count})${extension}`;
      next.set(key, count + 1);
    }
    taken.add(name.toLowerCase());
    return name;
  };
}
