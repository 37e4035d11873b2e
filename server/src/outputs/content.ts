import { createWriteStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { StorageError } from "../errors.ts";
import type { ByteRange, ObjectStore } from "../storage/object-store.ts";

/** What is needed to read a file's bytes: one inline row, or its segments in order. */
export interface FileManifest {
  readonly id: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: Buffer;
  readonly mediaType: string;
  readonly origin: "upload" | "output" | "intermediate";
  readonly inline: Buffer | null;
  readonly segments: readonly ManifestSegment[];
}

export interface ManifestSegment {
  readonly store: string;
  readonly key: string;
  readonly sizeBytes: number;
}

/**
 * The manifests of those of these files that are stored, in no order. Inside a transaction of the tenant, or of the
 * system. Inline contents, at most 16 KiB a file, come with them.
 */
export async function readManifests(transaction: Transaction, tenantId: string, ids: readonly string[]): Promise<FileManifest[]> {
  return transaction.query<FileManifest>(sql`
    SELECT files.id, files.name, files.size_bytes AS "sizeBytes", files.sha256, files.media_type AS "mediaType", files.origin,
      inline_objects.content AS inline, coalesce(parts.segments, '[]') AS segments
    FROM files
    LEFT JOIN inline_objects ON inline_objects.file_id = files.id AND inline_objects.tenant_id = files.tenant_id
    LEFT JOIN LATERAL (
      SELECT json_agg(json_build_object('store', store, 'key', object_key, 'sizeBytes', size_bytes) ORDER BY ordinal) AS segments
      FROM segments WHERE segments.file_id = files.id AND segments.tenant_id = files.tenant_id) AS parts ON true
    WHERE files.id = ANY(${ids}::uuid[]) AND files.tenant_id = ${tenantId}::uuid AND files.status = 'stored'`);
}

/**
 * The bytes of a file, or `range` of them (inclusive, inside the file), as one stream; segments follow each other without
 * a gap in memory use. Rejects StorageError before any byte where the first segment can't be had; where a later one is
 * missing (not_found) or any is short (damaged), the stream fails with it.
 */
export async function openContent(
  manifest: FileManifest,
  store: ObjectStore,
  options: { range?: ByteRange; signal?: AbortSignal } = {},
): Promise<Readable> {
  const range = options.range ?? { start: 0, end: manifest.sizeBytes - 1 };
  if (manifest.inline !== null) return Readable.from([manifest.inline.subarray(range.start, range.end + 1)], { objectMode: false });
  const pieces = piecesOf(manifest, range);
  const [first] = pieces;
  if (first === undefined) return Readable.from([], { objectMode: false });
  const opened = await openPiece(first, store, options.signal);
  const content = Readable.from(readPieces({ pieces, opened, store, signal: options.signal }), { objectMode: false });
  // A generator that was never started does not run its finally.
  content.once("close", () => opened.destroy());
  return content;
}

/**
 * Writes a file's bytes to `path`, which must not exist, for a processor to read. Rejects StorageError, or the file
 * system's own error for `path`.
 */
export async function materialise(
  manifest: FileManifest,
  store: ObjectStore,
  options: { path: string; signal?: AbortSignal },
): Promise<void> {
  const { path, signal } = options;
  if (manifest.inline !== null) return await writeFile(path, manifest.inline, { flag: "wx", mode: 0o600 });
  const content = await openContent(manifest, store, signal === undefined ? {} : { signal });
  await pipeline(content, createWriteStream(path, { flags: "wx", mode: 0o600 }), signal === undefined ? {} : { signal });
}

interface Piece {
  readonly key: string;
  readonly range: ByteRange;
}

/** Which bytes of which segments make up `range` of the file. */
function piecesOf(manifest: FileManifest, range: ByteRange): Piece[] {
  const pieces: Piece[] = [];
  let offset = 0;
  for (const { key, sizeBytes } of manifest.segments) {
    const start = Math.max(range.start - offset, 0);
    const end = Math.min(range.end - offset, sizeBytes - 1);
    if (start <= end) pieces.push({ key, range: { start, end } });
    offset += sizeBytes;
  }
  return pieces;
}

async function openPiece(piece: Piece, store: ObjectStore, signal: AbortSignal | undefined): Promise<Readable> {
  const stream = await store.get(piece.key, { range: piece.range, ...(signal && { signal }) });
  // Where the signal aborted while it was opened, it fails before anybody reads it; the reader still gets that error, but
  // without a listener by now it would be an uncaught exception and end the process.
  return stream.on("error", () => undefined);
}

async function* readPieces(reading: {
  pieces: readonly Piece[];
  opened: Readable;
  store: ObjectStore;
  signal: AbortSignal | undefined;
}): AsyncGenerator<Buffer> {
  for (const [index, piece] of reading.pieces.entries()) {
    const stream = index === 0 ? reading.opened : await openPiece(piece, reading.store, reading.signal);
    const expected = piece.range.end - piece.range.start + 1;
    let read = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      read += chunk.length;
      yield chunk;
    }
    if (read !== expected) {
      throw new StorageError("damaged", `object ${piece.key}: ${read} bytes came where ${expected} were asked for`);
    }
  }
}
