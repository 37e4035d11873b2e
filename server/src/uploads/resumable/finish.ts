import type { Transaction } from "../../db/database.ts";
import { sql } from "../../db/sql.ts";
import { Problem } from "../../errors.ts";
import { failpoint } from "../../failpoint.ts";
import { appendAudits } from "../../record/audit.ts";
import { insertFiles, type StoredFile } from "../../record/files.ts";
import { auditOf } from "../record-together.ts";
import type { HeldUpload } from "./locks.ts";
import { makeFile, type Known } from "./make-file.ts";
import { deleteUploadSegments, lostLock, readManifest } from "./progress-rows.ts";
import type { ResumableServices } from "./resumable.ts";
import { giveRoomBack, holdRoom } from "./room.ts";
import { endUpload } from "./terminate.ts";
import type { JobProblem, UploadRow } from "./upload-row.ts";
import { submitOver, type Submitted } from "./submit-over.ts";

/** What an upload became. */
export interface Finished {
  /** Left out for a partial upload. */
  readonly file?: StoredFile;
  readonly jobId?: string;
  /** Why there is no job although one was asked for. */
  readonly jobProblem?: JobProblem;
  /** To be announced. */
  readonly lanes: ReadonlySet<string>;
}

/**
 * Ends an upload of which every byte is recorded: one transaction makes the file with its segments, its event and its entry
 * in the audit log, and submits the job where the upload named a pipeline that can still be run. What is not known of the
 * content is read back.
 *
 * Throws Problem `upload_locked` where the lock was lost, `quota_exceeded`, StorageError. The upload then stays as
 * it is, and the next request that looks at it tries again; but of a type that is not allowed it is ended.
 */
export async function finishUpload(services: ResumableServices, held: HeldUpload, known: Known): Promise<Finished> {
  const { database } = services;
  const { tenantId, kind } = held.upload;
  if (kind === "partial") {
    await database.asTenant(tenantId, (transaction) => complete(transaction, held, {}));
    return { lanes: new Set() };
  }
  const manifest = await database.asTenant(tenantId, (transaction) => readManifest(transaction, held.upload));
  await holdRoom(services, held.upload, manifest.sizeBytes);
  const source = { ...held.upload, epoch: held.fence.epoch };
  const { file, replaced } = await makeFile(services, source, { manifest, known }).catch(async (error: unknown) => {
    // No request can ever make a file of it.
    if (error instanceof Problem && error.code === "type_not_allowed") await endUpload(services, held.upload, held.upload.actor);
    throw error;
  });
  let committing = false;
  try {
    const { job, problem } = await database.asTenant(tenantId, async (transaction) => {
      await insertFiles(transaction, [file]);
      if (replaced) await deleteUploadSegments(transaction, [held.upload.id]);
      else await moveSegments(transaction, held.upload);
      await appendAudits(transaction, auditOf({ tenantId, actor: held.upload.actor, files: [file] }));
      await giveRoomBack(transaction, [held.upload.id]);
      const submitted = await submitOver(transaction, services, { pipeline: held.upload.pipeline, file });
      await complete(transaction, held, submitted);
      await failpoint("tus-finish-before-commit");
      committing = true;
      return submitted;
    });
    await failpoint("tus-finish-after-commit");
    if (replaced) await services.contents.discard({ segments: manifest.segments });
    return { file, lanes: job?.lanes ?? new Set(), ...(job && { jobId: job.jobId }), ...(problem && { jobProblem: problem }) };
  } catch (error) {
    if (replaced && !committing) await services.contents.discard(file.content);
    throw error;
  }
}

/** No byte is copied: the rows change their table. */
async function moveSegments(transaction: Transaction, { id, fileId }: UploadRow): Promise<void> {
  await transaction.execute(sql`
    INSERT INTO segments (file_id, tenant_id, ordinal, store, object_key, size_bytes, encoding, object_id)
    SELECT ${fileId}::uuid, tenant_id, ordinal, store, object_key, size_bytes, encoding, object_id FROM upload_segments WHERE upload_id = ${id}::uuid`);
  await transaction.execute(sql`DELETE FROM upload_segments WHERE upload_id = ${id}::uuid`);
}

/** Throws Problem `upload_locked` where the lock was lost, so that nothing of the transaction happens. */
async function complete(transaction: Transaction, { fence }: HeldUpload, { job, problem }: Submitted): Promise<void> {
  const changed = await transaction.execute(sql`
    UPDATE uploads SET status = 'completed', job_id = ${job?.jobId ?? null}::uuid,
      job_problem = ${problem ? JSON.stringify(problem) : null}::jsonb, finished_at = CASE kind WHEN 'partial' THEN NULL ELSE now() END,
      hash_state = NULL, lock_holder = NULL, lock_until = NULL, lock_wanted_at = NULL
    WHERE id = ${fence.uploadId}::uuid AND lock_epoch = ${fence.epoch} AND lock_holder = ${fence.holder}::uuid AND status = 'open'
      AND upload_offset = length`);
  if (changed === 0) throw lostLock();
}
