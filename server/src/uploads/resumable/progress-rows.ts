import { Problem } from "../../errors.ts";
import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { insertObjectKeys, sealOf, type SealColumns } from "../../record/object-keys.ts";
import type { ContentManifest, StoredSegment } from "../../storage/stored-content.ts";
import type { Fence } from "./lock-rows.ts";
import type { UploadRow } from "./upload-row.ts";

/** What has become durable, and what the row says from now on. */
export interface Progress {
  readonly segments: readonly StoredSegment[];
  /** The ordinal of the first of them. */
  readonly first: number;
  /** Set where it was deferred; never changed. */
  readonly length: number | undefined;
  /** Undefined: the hash stays behind. */
  readonly hash: { readonly state: Buffer; readonly bytes: number } | undefined;
  readonly expiryMs: number;
}

/**
 * Moves the offset by the segments that are durable. "The new offset MUST be the sum of the offset before the PATCH request
 * and the number of bytes received and processed or stored." Throws Problem `upload_locked` where the lock was lost.
 */
export async function recordProgress(transaction: Transaction, fence: Fence, progress: Progress): Promise<{ expiresAt: Date }> {
  const { segments, first, hash } = progress;
  const bytes = segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const [row] = await transaction.query<{ expiresAt: Date }>(sql`
    UPDATE uploads SET upload_offset = upload_offset + ${bytes}, segments = segments + ${segments.length},
      length = coalesce(length, ${progress.length ?? null}::bigint),
      hash_state = coalesce(${hash?.state ?? null}::bytea, hash_state), hashed_bytes = coalesce(${hash?.bytes ?? null}::bigint, hashed_bytes),
      expires_at = now() + ${progress.expiryMs} * interval '1 millisecond'
    WHERE id = ${fence.uploadId}::uuid AND lock_epoch = ${fence.epoch} AND lock_holder = ${fence.holder}::uuid AND status = 'open'
      AND segments = ${first}
    RETURNING expires_at AS "expiresAt"`);
  if (row === undefined) throw lostLock();
  await insertUploadSegments(transaction, fence, progress);
  return row;
}

/** The answer to a request whose lock another one has now: nothing of what it did after that counts. */
export function lostLock(): Problem {
  return new Problem("upload_locked", "Another request has taken this upload over. Ask for its offset and go on from there.", {
    retryAfterSeconds: 1,
  });
}

/** How to read what has come so far. */
export async function readManifest(transaction: Transaction, upload: UploadRow): Promise<ContentManifest> {
  const rows = await transaction.query<Pick<StoredSegment, "store" | "key" | "sizeBytes" | "objectId"> & SealColumns>(sql`
    SELECT store, object_key AS key, size_bytes AS "sizeBytes", encoding, object_id AS "objectId",
      kek_id AS "kekId", kek_version AS "kekVersion", wrapped_dek AS "wrappedDek"
    FROM upload_segments LEFT JOIN object_keys USING (object_id, tenant_id)
    WHERE upload_id = ${upload.id}::uuid ORDER BY ordinal`);
  const segments = rows.map(({ store, key, sizeBytes, objectId, ...seal }) => ({ store, key, sizeBytes, objectId, seal: sealOf(seal) }));
  const sizeBytes = segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  return { id: upload.fileId, tenantId: upload.tenantId, sizeBytes, inline: null, segments };
}

/** With their keys. Gives what has to be deleted from the stores after the commit. */
export async function deleteUploadSegments(
  transaction: Transaction,
  uploadIds: readonly string[],
): Promise<{ store: string; key: string }[]> {
  return transaction.query(sql`
    WITH gone AS (DELETE FROM upload_segments WHERE upload_id = ANY(${uploadIds}::uuid[]) RETURNING tenant_id, object_id, store, object_key),
      keys AS (DELETE FROM object_keys USING gone WHERE object_keys.object_id = gone.object_id AND object_keys.tenant_id = gone.tenant_id)
    SELECT store, object_key AS key FROM gone`);
}

async function insertUploadSegments(transaction: Transaction, { uploadId, tenantId }: Fence, { segments, first }: Progress): Promise<void> {
  if (segments.length === 0) return;
  await transaction.execute(sql`
    INSERT INTO upload_segments (upload_id, tenant_id, ordinal, store, object_key, size_bytes, encoding, object_id)
    SELECT ${uploadId}::uuid, ${tenantId}::uuid, * FROM unnest(
      ${segments.map((_segment, index) => first + index)}::int[], ${segments.map(({ store }) => store)}::text[],
      ${segments.map(({ key }) => key)}::text[], ${segments.map(({ sizeBytes }) => sizeBytes)}::bigint[],
      ${segments.map(({ seal }) => (seal === undefined ? 0 : 1))}::smallint[], ${segments.map(({ objectId }) => objectId)}::uuid[])`);
  // At once, and not when there is a file, so that a rotation of keys meanwhile finds them.
  await insertObjectKeys(
    transaction,
    segments.flatMap(({ objectId, seal }) => (seal === undefined ? [] : [{ objectId, tenantId, seal }])),
  );
}
