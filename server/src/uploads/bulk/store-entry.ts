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
  const start: Buffer[] = [];
  let bytes = 0;
  while (bytes <= MAX_INLINE_BYTES) {
    const { done, value } = await source.next();
    if (done === true) return storeSmall(start.length === 1 && start[0] ? start[0] : Buffer.concat(start), place);
    start.push(value);
    bytes += value.length;
  }
  async function* whole(): AsyncGenerator<Buffer> {
    yield* start;
    for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value;
  }
  // An epoch of its own: what an attempt that broke off has left under the same id is not in the way.
  return receiveFile(Readable.from(whole(), { objectMode: false }), { ...place, epoch: Date.now() });
}

async function storeSmall(bytes: Buffer, place: EntryPlace): Promise<StoredFile> {
  const { contents, id, tenantId, name, metadata, reservation } = place;
  await reservation.take({ bytes: bytes.length, files: 1 });
  const mediaType = await detectMediaType({ head: bytes, complete: true, name });
  requireAllowedType(mediaType, place.allowedTypes);
  const content = await contents.write(once(bytes), { tenantId, fileId: id, epoch: 0 });
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

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  if (bytes.length > 0) yield bytes;
}
