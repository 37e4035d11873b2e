import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { StorageError } from "../errors.ts";
import { messageBytes } from "./encrypt/layout.ts";
import { openBytes } from "./encrypt/open.ts";
import { MAX_HEAD_BYTES } from "./encrypt/prefix.ts";
import { UnsealError } from "./encrypt/unseal-error.ts";
import type { ContentKeys } from "./keys/content-keys.ts";
import type { ByteRange } from "./object-store.ts";
import type { ObjectStores } from "./object-stores.ts";
import { openSealed } from "./open-sealed.ts";
import type { ContentManifest, ManifestSegment, ReadSeal, Seal } from "./stored-content.ts";

export interface ReadOptions {
  readonly range?: ByteRange;
  readonly signal?: AbortSignal;
}

interface Reading extends ReadOptions {
  readonly stores: Pick<ObjectStores, "named">;
  readonly keys: ContentKeys;
}

/** See ContentStore.read. */
export async function readContent(manifest: ContentManifest, reading: Reading): Promise<Readable> {
  const range = reading.range ?? { start: 0, end: manifest.sizeBytes - 1 };
  if (manifest.inline !== null) {
    const content = await openInline(manifest, reading);
    return Readable.from([content.subarray(range.start, range.end + 1)], { objectMode: false });
  }
  const pieces = piecesOf(manifest, range);
  const [first] = pieces;
  if (first === undefined) return Readable.from([], { objectMode: false });
  const opened = await openPiece(first, reading);
  const content = Readable.from(readPieces({ pieces, opened }, reading), { objectMode: false });
  // A generator that was never started does not run its finally.
  content.once("close", () => opened.close());
  return content;
}

/** What is opened as a whole rather than chunk by chunk. */
const MAX_SMALL_BYTES = 1_024 * 1_024;

/** The whole content where it is one small sealed object; undefined for any other. Nothing may follow it. Rejects StorageError. */
export async function readSmall(manifest: ContentManifest, { stores, keys, signal }: Reading): Promise<Buffer | undefined> {
  const { tenantId, sizeBytes, segments } = manifest;
  const [segment] = segments;
  if (segment?.seal === undefined || typeof segment.objectId !== "string") return undefined;
  if (segments.length > 1 || segment.sizeBytes !== sizeBytes || sizeBytes > MAX_SMALL_BYTES) return undefined;
  const { key, objectId } = segment;
  const what = `object ${key}`;
  const dek = await keys.open({ tenantId, objectId, seal: required(segment.seal, what) });
  const range = { start: 0, end: MAX_HEAD_BYTES + messageBytes(sizeBytes) };
  const sealed = await buffer(await stores.named(segment.store).get(key, { range, ...(signal && { signal }) }));
  try {
    return openBytes(sealed, { tenantId, objectId, dek, sizeBytes });
  } catch (error) {
    throw damaged(error, what);
  }
}

/** The whole content of a manifest whose content is inline. */
export async function openInline(manifest: ContentManifest, { keys }: Pick<Reading, "keys">): Promise<Buffer> {
  const { id: objectId, tenantId, inline, inlineSeal, sizeBytes } = manifest;
  if (inline === null) throw new TypeError(`file ${objectId} is not inline`);
  if (inlineSeal === undefined) return inline;
  const what = `the inline content of file ${objectId}`;
  const dek = await keys.open({ tenantId, objectId, seal: required(inlineSeal, what) });
  try {
    return openBytes(inline, { tenantId, objectId, dek, sizeBytes });
  } catch (error) {
    throw damaged(error, what);
  }
}

interface Piece {
  readonly tenantId: string;
  readonly segment: ManifestSegment;
  readonly range: ByteRange;
}

/** Which bytes of which segments make up `range` of the file. */
function piecesOf({ tenantId, segments }: ContentManifest, range: ByteRange): Piece[] {
  const pieces: Piece[] = [];
  let offset = 0;
  for (const segment of segments) {
    const start = Math.max(range.start - offset, 0);
    const end = Math.min(range.end - offset, segment.sizeBytes - 1);
    if (start <= end) pieces.push({ tenantId, segment, range: { start, end } });
    offset += segment.sizeBytes;
  }
  return pieces;
}

/** A piece of which the start has been checked. */
interface OpenedPiece {
  readonly chunks: AsyncIterable<Buffer>;
  close(): void;
}

async function openPiece({ tenantId, segment, range }: Piece, { stores, keys, signal }: Reading): Promise<OpenedPiece> {
  const store = stores.named(segment.store);
  const get = async (stored: ByteRange): Promise<Readable> => {
    const stream = await store.get(segment.key, { range: stored, ...(signal && { signal }) });
    // Where the signal aborted while it was opened, it fails before anybody reads it; the reader still gets that error, but
    // without a listener by now it would be an uncaught exception and end the process.
    return stream.on("error", () => undefined);
  };
  const what = `object ${segment.key}`;
  if (segment.seal === undefined) {
    const stream = await get(range);
    return { chunks: stream, close: () => stream.destroy() };
  }
  const { objectId, sizeBytes } = segment;
  if (typeof objectId !== "string") throw new StorageError("damaged", `${what} is sealed, and its row does not say as which object`);
  const dek = await keys.open({ tenantId, objectId, seal: required(segment.seal, what) });
  try {
    const opened = await openSealed({ tenantId, objectId, dek, sizeBytes }, { range, get });
    return { chunks: namingErrors(opened.chunks, what), close: opened.close };
  } catch (error) {
    throw damaged(error, what);
  }
}

async function* namingErrors(chunks: AsyncIterable<Buffer>, what: string): AsyncGenerator<Buffer> {
  try {
    yield* chunks;
  } catch (error) {
    throw damaged(error, what);
  }
}

function required(seal: ReadSeal, what: string): Seal {
  if (seal !== "destroyed") return seal;
  throw new StorageError("damaged", `the key of ${what} was destroyed; its bytes can't be read by anybody any more`);
}

function damaged(error: unknown, what: string): unknown {
  return error instanceof UnsealError ? new StorageError("damaged", `${what}: ${error.message}`, { cause: error }) : error;
}

async function* readPieces(
  { pieces, opened }: { pieces: readonly Piece[]; opened: OpenedPiece },
  reading: Reading,
): AsyncGenerator<Buffer> {
  for (const [index, piece] of pieces.entries()) {
    const { chunks } = index === 0 ? opened : await openPiece(piece, reading);
    const expected = piece.range.end - piece.range.start + 1;
    let read = 0;
    for await (const chunk of chunks) {
      read += chunk.length;
      yield chunk;
    }
    if (read !== expected) {
      throw new StorageError("damaged", `object ${piece.segment.key}: ${read} bytes came where ${expected} were asked for`);
    }
  }
}
