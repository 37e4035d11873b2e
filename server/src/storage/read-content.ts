import { Readable } from "node:stream";
import { StorageError } from "../errors.ts";
import type { ByteRange } from "./object-store.ts";
import type { ObjectStores } from "./object-stores.ts";
import type { ContentManifest, ManifestSegment } from "./stored-content.ts";

export interface ReadOptions {
  readonly range?: ByteRange;
  readonly signal?: AbortSignal;
}

interface Reading extends ReadOptions {
  readonly stores: Pick<ObjectStores, "named">;
}

/** See ContentStore.read. */
export async function readContent(manifest: ContentManifest, reading: Reading): Promise<Readable> {
  const range = reading.range ?? { start: 0, end: manifest.sizeBytes - 1 };
  if (manifest.inline !== null) return Readable.from([manifest.inline.subarray(range.start, range.end + 1)], { objectMode: false });
  const pieces = piecesOf(manifest, range);
  const [first] = pieces;
  if (first === undefined) return Readable.from([], { objectMode: false });
  const opened = await openPiece(first, reading);
  const content = Readable.from(readPieces({ pieces, opened }, reading), { objectMode: false });
  // A generator that was never started does not run its finally.
  content.once("close", () => opened.destroy());
  return content;
}

interface Piece {
  readonly segment: ManifestSegment;
  readonly range: ByteRange;
}

/** Which bytes of which segments make up `range` of the file. */
function piecesOf(manifest: ContentManifest, range: ByteRange): Piece[] {
  const pieces: Piece[] = [];
  let offset = 0;
  for (const segment of manifest.segments) {
    const start = Math.max(range.start - offset, 0);
    const end = Math.min(range.end - offset, segment.sizeBytes - 1);
    if (start <= end) pieces.push({ segment, range: { start, end } });
    offset += segment.sizeBytes;
  }
  return pieces;
}

async function openPiece({ segment, range }: Piece, { stores, signal }: Reading): Promise<Readable> {
  const stream = await stores.named(segment.store).get(segment.key, { range, ...(signal && { signal }) });
  // Where the signal aborted while it was opened, it fails before anybody reads it; the reader still gets that error, but
  // without a listener by now it would be an uncaught exception and end the process.
  return stream.on("error", () => undefined);
}

async function* readPieces({ pieces, opened }: { pieces: readonly Piece[]; opened: Readable }, reading: Reading): AsyncGenerator<Buffer> {
  for (const [index, piece] of pieces.entries()) {
    const stream = index === 0 ? opened : await openPiece(piece, reading);
    const expected = piece.range.end - piece.range.start + 1;
    let read = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      read += chunk.length;
      yield chunk;
    }
    if (read !== expected) {
      throw new StorageError("damaged", `object ${piece.segment.key}: ${read} bytes came where ${expected} were asked for`);
    }
  }
}
