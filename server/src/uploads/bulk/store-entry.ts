import { hash } from "node:crypto";
import { Readable } from "node:stream";
import type { Metadata } from "@filemill/contract/files.ts";
import type { StoredFile } from "../../record/files.ts";
import type { ContentStore } from "../../storage/content-store.ts";
import { MAX_INLINE_BYTES } from "../../storage/stored-content.ts";
import type { Reservation } from "../../tenants/quota-reservation.ts";
import { requireAllowedType, type AllowedTypes } from "../allowed-types.ts";
import { detectMediaType } from "../media-type.ts";
import { receiveFile } from "../receive.ts";

export interface EntryPlace {
  readonly contents: ContentStore;
  readonly tenantId: string;
  readonly id: string;
  readonly name: string;
  readonly metadata: Metadata;
  readonly maxBytes: number;
  /** Told of the bytes as they come; what it throws ends the file. */
  readonly count: (bytes: number) => void;
  readonly allowedTypes: AllowedTypes;
  /** Room for the file, taken before its bytes are stored. */
  readonly reservation: Reservation;
}

/**
 * Stores one file of an archive; its bytes are durable or, up to 16 KiB, in the result, when it resolves. Small ones are
 * gathered first and go without the streams of a single upload, which cost more than all else about a file of 1 KiB.
 */
export async function storeEntry(content: AsyncIterable<Buffer>, place: EntryPlace): Promise<StoredFile> {
  const source = content[Symbol.asyncIterator]();
  try {
    return await storeFrom(source, place);
  } catch (error) {
    // Not waited for: a source that is silent would hold up the failure.
    source.return?.().catch(() => undefined);
    throw error;
  }
}

async function storeFrom(source: AsyncIterator<Buffer>, place: EntryPlace): Promise<StoredFile> {
  const start: Buffer[] = [];
  let bytes = 0;
  while (bytes <= MAX_INLINE_BYTES) {
    const { done, value } = await source.next();
    if (done === true) return await storeSmall(start.length === 1 && start[0] ? start[0] : Buffer.concat(start), place);
    place.count(value.length);
    start.push(value);
    bytes += value.length;
  }
  async function* whole(): AsyncGenerator<Buffer> {
    yield* start;
    for (let next = await source.next(); next.done !== true; next = await source.next()) {
      place.count(next.value.length);
      yield next.value;
    }
  }
  // An epoch of its own: what an attempt that broke off has left under the same id is not in the way.
  return await receiveFile(Readable.from(whole(), { objectMode: false }), { ...place, epoch: Date.now() });
}

async function storeSmall(bytes: Buffer, place: EntryPlace): Promise<StoredFile> {
  const { contents, id, tenantId, name, metadata, reservation } = place;
  await reservation.take({ bytes: bytes.length, files: 1 });
  const mediaType = await detectMediaType({ head: bytes, complete: true, name });
  requireAllowedType(mediaType, place.allowedTypes);
  const content = await contents.writeSmall(bytes, { tenantId, fileId: id });
  return {
    id,
    tenantId,
    name,
    sizeBytes: bytes.length,
    sha256: hash("sha256", bytes, "buffer"),
    mediaType,
    origin: "upload",
    metadata,
    content,
  };
}
