import { encodeId } from "@filemill/contract/ids.ts";
import { v7 as uuidv7 } from "uuid";
import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { Problem } from "../../errors.ts";
import { resolvePipeline } from "../../jobs/pipelines/resolve.ts";
import { appendAudit } from "../../record/audit.ts";
import { tooLarge } from "../receive.ts";
import { finishUpload, type Finished } from "./finish.ts";
import type { Described } from "./headers.ts";
import type { ResumableServices } from "./resumable.ts";
import { giveRoomBack, holdRoom } from "./room.ts";
import { UPLOAD_COLUMNS, type UploadRow } from "./upload-row.ts";

export interface Creation {
  readonly tenantId: string;
  readonly actor: string;
  readonly kind: "single" | "partial";
  /** Undefined: deferred. */
  readonly length: number | undefined;
  readonly described: Described;
  readonly sentMetadata: string | undefined;
  readonly sentConcat: string | undefined;
}

export interface Created {
  readonly upload: UploadRow;
  /** Of an empty one: "Such an upload is immediately complete after its creation." */
  readonly finished?: Finished;
}

const RETRY_AFTER_SECONDS = 60;

/**
 * Makes an upload that has no bytes yet. Throws Problem `file_too_large`, `rate_limited` where the tenant has too many open
 * ones, `quota_exceeded`, and what resolvePipeline throws, so that a pipeline that can't be run is refused before any byte.
 */
export async function createUpload(services: ResumableServices, creation: Creation): Promise<Created> {
  const { database, catalogue, limits, locks } = services;
  const { tenantId, length, described, actor } = creation;
  // "If the length of the upload exceeds the maximum … the Server MUST respond with the 413 Request Entity Too Large status."
  if (length !== undefined && length > limits.maxFileBytes) throw tooLarge(limits.maxFileBytes);
  const id = uuidv7();
  await holdRoom(services, { id, tenantId, kind: creation.kind }, length ?? 0);
  const inserted = database.asTenant(tenantId, async (transaction) => {
    if (described.pipeline) await resolvePipeline(transaction, described.pipeline, catalogue);
    await takeTurn(transaction, { tenantId, maxOpenUploads: limits.maxOpenUploads });
    const row = await insertUpload(transaction, { ...creation, id }, limits);
    if (row === undefined) throw tooMany(limits.maxOpenUploads);
    await appendAudit(transaction, { tenantId, actor, action: "upload.create", object: encodeId("upload", id) });
    return row;
  });
  const upload = await inserted.catch(async (error: unknown) => {
    // Where this fails too, the room ends with its time.
    await database.asTenant(tenantId, (transaction) => giveRoomBack(transaction, [id])).catch(() => undefined);
    throw error;
  });
  if (length !== 0) return { upload };
  const taken = await locks.take({ tenantId, id: upload.id });
  if (!taken.held) return { upload: taken.upload };
  try {
    return { upload, finished: await finishUpload(services, taken, { hash: undefined, head: undefined }) };
  } finally {
    await taken.release();
  }
}

/**
 * So far below the limit, creations need not wait for each other: fewer are under way at once than a database has
 * connections. From there on they take turns, or each counts without the others, and a tenant that may have 20 comes to have more.
 */
const TURNS_BELOW = 1_000;

/** To the end of the transaction; what is counted by the next statement was committed by all who had their turn before. */
async function takeTurn(
  transaction: Transaction,
  { tenantId, maxOpenUploads }: { tenantId: string; maxOpenUploads: number },
): Promise<void> {
  await transaction.execute(sql`
    SELECT pg_advisory_xact_lock(hashtextextended(${`uploads ${tenantId}`}, 0)) WHERE (SELECT count(*) FROM (
      SELECT FROM uploads WHERE tenant_id = ${tenantId}::uuid AND status = 'open' LIMIT ${maxOpenUploads}) AS open) + ${TURNS_BELOW} > ${maxOpenUploads}`);
}

/** Undefined where the tenant has its number of open uploads. Counting costs a look at so many entries of an index, 1 ms for 10,000. */
async function insertUpload(
  transaction: Transaction,
  creation: Creation & { readonly id: string },
  { maxOpenUploads, uploadExpiryMs }: ResumableServices["limits"],
): Promise<UploadRow | undefined> {
  const { id, tenantId, actor, kind, length, described, sentMetadata, sentConcat } = creation;
  const [row] = await transaction.query<UploadRow>(sql`
    INSERT INTO uploads (id, tenant_id, file_id, kind, actor, name, metadata, pipeline, file_expires_at, sent_metadata,
      sent_concat, length, expires_at)
    SELECT ${id}::uuid, ${tenantId}::uuid, ${uuidv7()}::uuid, ${kind}, ${actor}, ${described.name}, ${JSON.stringify(described.metadata)}::jsonb,
      ${described.pipeline ? JSON.stringify(described.pipeline) : null}::jsonb, ${described.expiresAt ?? null}::timestamptz,
      ${sentMetadata ?? null}, ${sentConcat ?? null},
      ${length ?? null}::bigint, now() + ${uploadExpiryMs} * interval '1 millisecond'
    WHERE (SELECT count(*) FROM (
      SELECT FROM uploads WHERE tenant_id = ${tenantId}::uuid AND status = 'open' LIMIT ${maxOpenUploads}) AS open) < ${maxOpenUploads}
    RETURNING ${UPLOAD_COLUMNS}`);
  return row;
}

function tooMany(most: number): Problem {
  return new Problem(
    "rate_limited",
    `There are ${most} open uploads, which is the limit. Complete or terminate some, or wait until they expire.`,
    {
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    },
  );
}
