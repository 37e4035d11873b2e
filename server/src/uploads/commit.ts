import type { Metadata } from "@filemill/contract/files.ts";
import type { Database, Transaction } from "../db/database.ts";
import { failpoint } from "../failpoint.ts";
import { hashRequest, withIdempotency, type Answer } from "../jobs/idempotency.ts";
import { resolvePipeline, type PipelineRequest } from "../jobs/pipelines/resolve.ts";
import { submitJob } from "../jobs/submit.ts";
import type { SubmittedJob } from "../jobs/submission.ts";
import type { ContentStore } from "../storage/content-store.ts";
import { ReservationLost, settleReservations, type Reservation } from "../tenants/quota-reservation.ts";
import { recordFiles } from "../record/files.ts";
import { auditOf, recordTogether } from "./record-together.ts";
import type { StoredFile } from "../record/files.ts";

export interface UploadServices {
  readonly database: Database;
  readonly contents: ContentStore;
  readonly catalogue: Parameters<typeof resolvePipeline>[2];
}

export interface Upload<Body> {
  readonly tenantId: string;
  readonly actor: string;
  readonly files: readonly StoredFile[];
  /** Of the job; the files carry their own. */
  readonly metadata: Metadata;
  /** To be run over the files, in the same transaction. */
  readonly pipeline?: PipelineRequest;
  readonly idempotencyKey: string | undefined;
  /** What else happens in the same transaction; nothing is recorded where it throws. */
  readonly also?: (transaction: Transaction, job: SubmittedJob | undefined) => Promise<void>;
  /** Room that the files have; they take it with them. */
  readonly reservation?: Reservation;
  /** What the client is told; kept beside the idempotency key. */
  readonly answer: (job: SubmittedJob | undefined) => Answer<Body>;
}

export interface CommittedUpload<Body> extends Answer<Body> {
  /** To be announced. */
  readonly lanes: ReadonlySet<string>;
}

/**
 * Records the files of one request, and the job over them, in one transaction: all of it happens or nothing does. Their
 * bytes are durable already. A repetition of an answered request (same key, same names, contents and fields) gives that
 * answer again, and its bytes are dropped. Plain uploads at the same time share a transaction; see record-together.ts.
 *
 * Where the work itself fails, nothing was committed and the bytes are deleted. Where COMMIT fails, it is not known
 * whether the server carried it out, so that the bytes stay: deleting them could take them from rows that exist.
 * Garbage collection deletes them if there are none. Throws what the database, withIdempotency, resolvePipeline and
 * submitJob throw, and Problem quota_exceeded where the room that was reserved went to others meanwhile.
 */
export async function commitUpload<Body>(services: UploadServices, upload: Upload<Body>): Promise<CommittedUpload<Body>> {
  let committing = false;
  const beforeCommit = async () => {
    await failpoint("upload-before-commit");
    committing = true;
  };
  try {
    await failpoint("upload-after-put-before-commit");
    const plain = upload.idempotencyKey === undefined && upload.pipeline === undefined && upload.also === undefined;
    const record = () => (plain ? recordPlain(services, upload, beforeCommit) : recordAlone(services, upload, beforeCommit));
    const answer = await withRoom(upload.reservation, record);
    await failpoint("upload-after-commit");
    if (!answer.replayed) upload.reservation?.settled();
    if (answer.replayed) await discardFiles(services.contents, upload.files);
    return { status: answer.status, body: answer.body, lanes: answer.lanes };
  } catch (error) {
    if (!committing) await discardFiles(services.contents, upload.files);
    throw error;
  }
}

/** Deletes the bytes of files that will not be recorded. Never rejects. */
export async function discardFiles(contents: ContentStore, files: readonly StoredFile[]): Promise<void> {
  await Promise.all(files.map(({ content }) => contents.discard(content)));
}

/** A process that could not renew its reservations in time, asleep or cut off, asks for the same room once more. */
export async function withRoom<T>(reservation: Reservation | undefined, record: () => Promise<T>): Promise<T> {
  try {
    return await record();
  } catch (error) {
    if (!(error instanceof ReservationLost) || reservation === undefined) throw error;
    await reservation.again();
    return await record();
  }
}

interface Recorded<Body> extends CommittedUpload<Body> {
  readonly replayed: boolean;
}

async function recordPlain<Body>(
  { database }: UploadServices,
  upload: Upload<Body>,
  beforeCommit: () => Promise<void>,
): Promise<Recorded<Body>> {
  await recordTogether(database, { ...upload, beforeCommit });
  return { ...upload.answer(undefined), lanes: new Set(), replayed: false };
}

async function recordAlone<Body>(
  services: UploadServices,
  upload: Upload<Body>,
  beforeCommit: () => Promise<void>,
): Promise<Recorded<Body>> {
  const { tenantId, idempotencyKey: key } = upload;
  let lanes: ReadonlySet<string> = new Set();
  const answer = await withIdempotency(services.database, { tenantId, key, requestHash: hashOf(upload) }, async (transaction) => {
    await settleReservations(transaction, [upload.reservation?.id]);
    await recordFiles(transaction, { files: upload.files, audits: auditOf(upload) });
    const job = await submitOver(transaction, services, upload);
    await upload.also?.(transaction, job);
    await beforeCommit();
    lanes = job?.lanes ?? lanes;
    return upload.answer(job);
  });
  return { ...answer, lanes };
}

async function submitOver<Body>(
  transaction: Transaction,
  services: UploadServices,
  upload: Upload<Body>,
): Promise<SubmittedJob | undefined> {
  if (upload.pipeline === undefined) return undefined;
  const pipeline = await resolvePipeline(transaction, upload.pipeline, services.catalogue);
  const inputs = upload.files.map(({ id, sizeBytes }) => ({ fileId: id, sizeBytes }));
  return submitJob(transaction, { tenantId: upload.tenantId, pipeline, inputs, priority: 0, metadata: upload.metadata });
}

/** Two requests are the same where their files have the same names and contents and their fields the same values. */
function hashOf<Body>(upload: Upload<Body>): Buffer {
  const files = upload.files.map(({ name, sizeBytes, sha256, metadata, expiresAt }) => ({
    ...(expiresAt && { expiresAt }),
    name,
    sizeBytes,
    sha256: sha256.toString("hex"),
    metadata,
  }));
  return hashRequest({ request: "upload", files, metadata: upload.metadata, pipeline: upload.pipeline ?? null });
}
