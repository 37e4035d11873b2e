import type { Readable } from "node:stream";
import { failpoint } from "../../failpoint.ts";
import { Problem } from "../../errors.ts";
import { MAX_SEGMENT_BYTES, type StoredSegment } from "../../storage/stored-content.ts";
import { freeChunk } from "../../free-chunk.ts";
import { HEAD_BYTES } from "../media-type.ts";
import { tooLarge } from "../receive.ts";
import { startChecksum, type Checksum } from "./checksum.ts";
import { hashAtOnce, hashInParts, type ContentHash } from "./content-hash.ts";
import { finishUpload, type Finished } from "./finish.ts";
import { openBody } from "./incoming-body.ts";
import type { HeldUpload } from "./locks.ts";
import { lostLock, recordProgress } from "./progress-rows.ts";
import { MAX_SEGMENTS } from "./protocol.ts";
import type { ResumableServices } from "./resumable.ts";
import { holdRoom } from "./room.ts";
import { assertThere, findUpload, type UploadRow } from "./upload-row.ts";

/** One PATCH, or the body of a creation. */
export interface Part {
  readonly tenantId: string;
  readonly uploadId: string;
  readonly offset: number;
  /** Where the request says it. */
  readonly contentLength: number | undefined;
  /** Upload-Length, where it was deferred and is known now. */
  readonly length: number | undefined;
  readonly checksum: Checksum | undefined;
  readonly body: Readable;
}

export interface Appended {
  readonly upload: Pick<UploadRow, "id" | "kind" | "fileId" | "jobId">;
  readonly offset: number;
  /** Undefined once it is complete; a partial one waits for its final, and not for ever. */
  readonly expiresAt: Date | undefined;
  /** Where this part completed it. */
  readonly finished?: Finished;
}

/**
 * Adds the bytes of a request to an upload, and makes the file where they are the last. A client that vanishes keeps what
 * came, unless it promised a checksum over all of it.
 *
 * Throws Problem `not_found`, `gone`, `upload_locked`, `forbidden` (a final upload), `offset_mismatch`, `file_too_large`,
 * `quota_exceeded`, `validation_failed`, `checksum_mismatch`, and what finishUpload throws; StorageError. Of what is refused nothing is kept.
 */
export async function appendPart(services: ResumableServices, part: Part): Promise<Appended> {
  const taken = await services.locks.take({ tenantId: part.tenantId, id: part.uploadId });
  try {
    checkPart(taken.upload, part, services.limits.maxFileBytes);
    if (taken.held) return await receive(services, taken, part);
    return { upload: taken.upload, offset: taken.upload.offset, expiresAt: undefined };
  } finally {
    if (taken.held) await taken.release();
  }
}

/**
 * Throws what appendPart would throw before it takes the first byte, as far as that is to be seen now: for a client that asks
 * before it sends a body (Expect: 100-continue).
 */
export async function checkBeforeBody(
  { database, limits }: Pick<ResumableServices, "database" | "limits">,
  part: Omit<Part, "body">,
): Promise<void> {
  const upload = await database.asTenant(part.tenantId, (transaction) => findUpload(transaction, part.uploadId));
  assertThere(upload, part.uploadId);
  checkPart(upload, part, limits.maxFileBytes);
}

function checkPart(upload: UploadRow, part: Omit<Part, "body">, maxBytes: number): void {
  const { offset, contentLength = 0, length } = part;
  // "The Server MUST respond with the 403 Forbidden status to PATCH requests against a final upload URL."
  if (upload.kind === "final") throw new Problem("forbidden", "A final upload takes no bytes of its own; send them to a partial one.");
  // "If the offsets do not match, the Server MUST respond with the 409 Conflict status without modifying the upload resource."
  if (offset !== upload.offset) {
    throw new Problem(
      "offset_mismatch",
      `The upload has ${upload.offset} bytes; the part begins at ${offset}. Go on from ${upload.offset}.`,
    );
  }
  if (length !== undefined) {
    // "Once set the length MUST NOT be changed."
    if (upload.length !== null && upload.length !== length) throw wrongLength(`is ${upload.length} and can't be changed`);
    if (length < upload.offset) throw wrongLength(`can't be less than the ${upload.offset} bytes that are there`);
    if (length > maxBytes) throw tooLarge(maxBytes);
  }
  const whole = upload.length ?? length;
  if (offset + contentLength > (whole ?? maxBytes)) throw whole === undefined ? tooLarge(maxBytes) : tooMuch(whole);
  if (upload.segments >= MAX_SEGMENTS && contentLength > 0) {
    throw new Problem("validation_failed", `An upload takes at most ${MAX_SEGMENTS} parts. Begin a new one and send larger parts.`);
  }
}

async function receive(services: ResumableServices, held: HeldUpload, part: Part): Promise<Appended> {
  const { upload, fence } = held;
  const { contents, limits } = services;
  const length = upload.length ?? part.length;
  await holdRoom(services, upload, Math.max(length ?? 0, upload.offset + (part.contentLength ?? 0)));
  const hash = await hashFor(upload, part, length);
  const checksum = part.checksum && startChecksum(part.checksum);
  const head = upload.offset === 0 ? startHead() : undefined;
  const body = openBody(part.body, { stop: held.letGo, onBytes: held.active });
  const recorder = createRecorder(services, held, part, hash);
  const room = (length ?? limits.maxFileBytes) - upload.offset;
  let received = 0;

  async function* measured(piece: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of piece) {
      received += chunk.length;
      if (received > room) throw length === undefined ? tooLarge(limits.maxFileBytes) : tooMuch(length);
      hash?.update(chunk);
      checksum?.update(chunk);
      head?.take(chunk);
      yield chunk;
    }
  }

  try {
    do {
      const place = {
        tenantId: upload.tenantId,
        fileId: upload.fileId,
        epoch: fence.epoch,
        segment: recorder.written(),
        release: freeChunk,
      };
      const segment = await contents.writeSegment(measured(body.piece(MAX_SEGMENT_BYTES)), place);
      if (segment) recorder.add(segment);
      await failpoint("tus-after-put-before-commit");
      // What a checksum is promised for counts only when all of it is right.
      if (checksum === undefined) await recorder.record();
    } while (body.ending() === undefined);
    const ending = body.ending();
    if (checksum && ending !== "whole") recorder.forget();
    if (checksum && ending === "whole" && !checksum.matches()) {
      throw new Problem("checksum_mismatch", "The part is not what its Upload-Checksum says; nothing of it was kept. Send it again.");
    }
    await recorder.record();
    await failpoint("tus-after-commit");
    if (recorder.offset() === length) {
      const finished = await finishUpload(services, held, { hash: hash?.digest(), head: head?.bytes() });
      return { upload, offset: length, expiresAt: upload.kind === "partial" ? recorder.expiresAt() : undefined, finished };
    }
    if (ending === "asked") throw lostLock();
    return { upload, offset: recorder.offset(), expiresAt: recorder.expiresAt() };
  } finally {
    await recorder.discardRest();
  }
}

/**
 * Undefined where the hash is behind already, and where there will be no file to hash (partials): then everything is read
 * back at the end. A body that says that it is the whole content is hashed at once; where it is cut off all the same,
 * what came of it is read back, too.
 */
async function hashFor(upload: UploadRow, part: Part, length: number | undefined): Promise<ContentHash | undefined> {
  if (upload.kind === "partial" || upload.hashedBytes !== upload.offset) return undefined;
  if (upload.offset === 0 && length !== undefined && part.contentLength === length) return hashAtOnce();
  return await hashInParts(upload.hashState ?? undefined);
}

/** Keeps account of which segments are durable, which of them are recorded, and sees to it that the others go. */
function createRecorder(services: ResumableServices, { upload, fence }: HeldUpload, part: Part, hash: ContentHash | undefined) {
  const { database, contents, limits } = services;
  let waiting: StoredSegment[] = [];
  let unwanted: StoredSegment[] = [];
  let written = 0;
  let recorded = 0;
  let { offset, expiresAt } = upload;
  let once = false;

  return {
    written: () => written,
    offset: () => offset,
    expiresAt: () => expiresAt,
    add(segment: StoredSegment): void {
      written++;
      waiting.push(segment);
    },
    forget(): void {
      unwanted = waiting;
      waiting = [];
    },
    /** One transaction; also where nothing came, the first time, for the length and the expiry. */
    async record(): Promise<void> {
      if (waiting.length === 0 && once) return;
      once = true;
      const segments = waiting;
      const bytes = offset + segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      const state = segments.length > 0 ? hash?.state() : undefined;
      const progress = {
        segments,
        first: upload.segments + recorded,
        length: upload.length === null ? part.length : undefined,
        hash: state && { state, bytes },
        expiryMs: limits.uploadExpiryMs,
      };
      // Where neither the upload nor the request said how much would come.
      if (upload.length === null && part.contentLength === undefined) await holdRoom(services, upload, bytes);
      const done = await database.asTenant(upload.tenantId, async (transaction) => {
        const result = await recordProgress(transaction, fence, progress);
        // From here on it is not known whether they are recorded: garbage collection finds out.
        waiting = [];
        return result;
      });
      recorded += segments.length;
      ({ expiresAt } = done);
      offset = bytes;
    },
    async discardRest(): Promise<void> {
      const segments = [...unwanted, ...waiting];
      if (segments.length > 0) await contents.discard({ segments });
    },
  };
}

/** A copy of the first bytes, which say what the content is. */
function startHead() {
  const parts: Buffer[] = [];
  let size = 0;
  return {
    take(chunk: Buffer): void {
      if (size >= HEAD_BYTES) return;
      const part = Buffer.from(chunk.subarray(0, HEAD_BYTES - size));
      parts.push(part);
      size += part.length;
    },
    bytes: () => Buffer.concat(parts),
  };
}

function tooMuch(length: number): Problem {
  return new Problem("file_too_large", `The part goes beyond the upload's length of ${length} bytes; what goes beyond it was not kept.`);
}

function wrongLength(why: string): Problem {
  const issues = [{ pointer: "/headers/upload-length", message: why }];
  return new Problem("validation_failed", `The length of the upload ${why}.`, { issues });
}
