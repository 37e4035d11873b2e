import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { ZipFile } from "yazl";
import type { ObjectStore } from "../storage/object-store.ts";
import { openContent, type FileManifest } from "./content.ts";

export interface ZipEntry {
  /** Made safe and unique here; a user's words may be in it. */
  readonly path: string;
  readonly file: FileManifest;
}

/** Above this, sizes in the zip are written in 64 bits from the start. */
const ZIP64_BYTES = 2 ** 31;
/** Types that are packed already; deflating them again costs time and gives nothing. */
const PACKED = /^(?:image\/(?!svg|bmp|tiff)|video\/|audio\/|application\/(?:zip|gzip|x-7z|x-xz|pdf|vnd\.apache\.parquet))/;

/**
 * A zip of the entries as a stream, made while it is read: one file is open at a time, whatever the number. Fails the
 * stream where an entry can't be read, so that nobody takes half an archive for a whole one.
 */
export function zipFiles(entries: AsyncIterable<ZipEntry>, store: ObjectStore, signal: AbortSignal): Readable {
  const zip = new ZipFile();
  const output = zip.outputStream as Readable;
  addAll(zip, entries, store, signal).then(
    () => zip.end(),
    (error: unknown) => output.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return output;
}

async function addAll(zip: ZipFile, entries: AsyncIterable<ZipEntry>, store: ObjectStore, signal: AbortSignal): Promise<void> {
  const taken = new Set<string>();
  for await (const { path, file } of entries) {
    signal.throwIfAborted();
    const content = await openContent(file, store, { signal });
    zip.addReadStream(content, uniqueName(safePath(path), taken), {
      size: file.sizeBytes,
      compress: !PACKED.test(file.mediaType),
      forceZip64Format: file.sizeBytes >= ZIP64_BYTES,
      mode: 0o100644,
    });
    // yazl reads entries one after the other as its output is read, so that this is also what slows us down.
    await finished(content, { signal });
  }
}

/** Relative, with forward slashes, without dots that climb, control characters or empty parts. */
function safePath(path: string): string {
  const parts = path
    .split(/[/\\]/)
    // oxlint-disable-next-line no-control-regex
    .map((part) => part.replaceAll(/[\u0000-\u001f\u007f:*?"<>|]/g, "_").trim())
    .filter((part) => part !== "" && part !== "." && part !== "..");
  return parts.join("/") || "file";
}

/** `a/b.txt` a second time becomes `a/b (2).txt`; told apart without regard to case, as some file systems do. */
function uniqueName(path: string, taken: Set<string>): string {
  const [, stem = path, extension = ""] = /^(.*?)(\.[^./]*)?$/.exec(path) ?? [];
  let name = path;
  for (let count = 2; taken.has(name.toLowerCase()); count++) name = `${stem} (${count})${extension}`;
  taken.add(name.toLowerCase());
  return name;
}
