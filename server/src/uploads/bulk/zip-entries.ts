import type { FileHandle } from "node:fs/promises";
import { crc32, inflateRaw } from "node:zlib";
import { promisify } from "node:util";
import { fromFdPromise, getFileNameLowLevel, type Entry, type ZipFile } from "yauzl";
import { Problem } from "../../errors.ts";
import { zipEntryKind } from "../../zip/entry-kind.ts";
import { findOverlap } from "../../zip/find-overlap.ts";
import { badArchive, type ArchiveEntry, type OpenArchive } from "./archive-entry.ts";
import { spool, type SpoolOptions } from "./spool.ts";

export type { SpoolOptions } from "./spool.ts";

/** Small entries are read and inflated in one go: yauzl's streams for each took 5 times as long for files of 1 KiB. */
const SMALL_BYTES = 64 * 1_024;
const AES_METHOD = 99;
const STORED = 0;
const DEFLATED = 8;

/**
 * A zip, once it is on the disk. Its list of entries is at its end, and only that is true: what stands in front of each
 * content may lie about sizes, and does not say what is a link. Read twice: once to judge it, once entry by entry.
 *
 * Throws Problem `validation_failed` for a zip that is damaged, cut, encrypted, dishonest or packed in another way,
 * `file_too_large` for more entries or bytes than `options` allow, StorageError `disk_full`.
 */
export async function openSpooledZip(
  body: AsyncIterable<Buffer>,
  options: SpoolOptions,
): Promise<OpenArchive & { readonly close: () => Promise<void> }> {
  const { handle, sizeBytes } = await spool(body, options);
  try {
    await judge(handle, { sizeBytes, maxEntries: options.maxEntries });
  } catch (error) {
    await handle.close();
    throw asProblem(error);
  }
  return { entries: entriesOf(handle), packedBytes: () => sizeBytes, close: () => handle.close() };
}

function open(handle: FileHandle): Promise<ZipFile> {
  return fromFdPromise(handle.fd, { autoClose: false, lazyEntries: true, decodeStrings: false });
}

/** All that can be said of it before the first file is stored. */
async function judge(handle: FileHandle, { sizeBytes, maxEntries }: { sizeBytes: number; maxEntries: number }): Promise<void> {
  const zip = await open(handle);
  if (zip.entryCount > maxEntries)
    throw new Problem("file_too_large", `An archive may hold at most ${maxEntries} entries here. Send several.`);
  const offsets = new Float64Array(zip.entryCount);
  const packed = new Float64Array(zip.entryCount);
  let length = 0;
  for await (const entry of zip.eachEntry()) {
    offsets[length] = entry.relativeOffsetOfLocalHeader;
    packed[length] = entry.compressedSize;
    length++;
    const name = nameOf(entry);
    if (zipEntryKind(name, entry.externalFileAttributes) === "file") refuseUnreadable(name, entry);
  }
  const at = (index: number) => ({ offset: offsets[index] ?? 0, packedBytes: packed[index] ?? 0 });
  const dishonest = findOverlap({ length, at }, sizeBytes);
  if (dishonest !== undefined) throw badArchive(`it is no honest zip: ${dishonest}`);
}

function refuseUnreadable(name: string, entry: Entry): void {
  if (entry.isEncrypted() || entry.compressionMethod === AES_METHOD) {
    const issues = [{ pointer: "", message: `"${name}" is encrypted` }];
    throw new Problem("validation_failed", `"${name}" in the zip is encrypted. Unpack it yourself and send the files.`, { issues });
  }
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) {
    throw badArchive(`"${name}" is packed by method ${entry.compressionMethod}; only stored and deflated entries can be read`);
  }
}

async function* entriesOf(handle: FileHandle): AsyncGenerator<ArchiveEntry> {
  const zip = await open(handle);
  for await (const entry of zip.eachEntry()) {
    const name = nameOf(entry);
    const kind = zipEntryKind(name, entry.externalFileAttributes);
    yield kind === "file" ? { kind, name, content: checked({ zip, handle, entry, name }) } : { kind, name };
  }
}

interface Member {
  readonly zip: ZipFile;
  readonly handle: FileHandle;
  readonly entry: Entry;
  readonly name: string;
}

async function* checked(member: Member): AsyncGenerator<Buffer> {
  const { entry, name } = member;
  const isSmall = entry.compressedSize <= SMALL_BYTES && entry.uncompressedSize <= SMALL_BYTES;
  let checksum = 0;
  try {
    for await (const chunk of isSmall ? small(member) : streamed(member)) {
      checksum = crc32(chunk, checksum);
      yield chunk;
    }
  } catch (error) {
    throw asProblem(error, name);
  }
  if (checksum !== entry.crc32) throw badArchive(`the bytes of "${name}" don't match their checksum`);
}

const inflate = promisify<Buffer, { maxOutputLength: number }, Buffer>(inflateRaw);

async function* small({ zip, handle, entry, name }: Member): AsyncGenerator<Buffer> {
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
  const packed = Buffer.allocUnsafe(entry.compressedSize);
  const { bytesRead } = await handle.read(packed, 0, packed.length, fileDataStart);
  if (bytesRead < packed.length) throw badArchive(`"${name}" lies beyond its end`);
  // One byte more than it should have: a header that lies is found by that.
  const bytes = entry.compressionMethod === STORED ? packed : await inflate(packed, { maxOutputLength: entry.uncompressedSize + 1 });
  if (bytes.length !== entry.uncompressedSize) throw badArchive(`"${name}" does not have the size that its header says`);
  if (bytes.length > 0) yield bytes;
}

async function* streamed({ zip, entry }: Member): AsyncGenerator<Buffer> {
  for await (const chunk of await zip.openReadStreamPromise(entry)) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError("expected bytes from the archive");
    yield chunk;
  }
}

function nameOf(entry: Entry): string {
  return getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, false);
}

/** What yauzl and zlib throw says that the zip is damaged, but for trouble with our own disk. */
function asProblem(error: unknown, name?: string): unknown {
  if (error instanceof Problem || !(error instanceof Error)) return error;
  const code = "code" in error ? String(error.code) : "";
  if (/^E[A-Z]+$/.test(code) || error.name === "AbortError") return error;
  const what = error.message.replace(/[.\s]+$/, "");
  return badArchive(name === undefined ? what : `"${name}" is damaged: ${what}`, error);
}
