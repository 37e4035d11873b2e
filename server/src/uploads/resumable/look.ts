import { findUpload, assertThere, type UploadRow } from "./upload-row.ts";
import { finishUpload, type Finished } from "./finish.ts";
import type { ResumableServices } from "./resumable.ts";

export interface Looked {
  readonly upload: UploadRow;
  /** Where this look completed it. */
  readonly finished?: Finished;
}

/**
 * The upload as a client needs to know it to go on: no other request adds to it at this moment, because an offset that
 * still moves is of no use. One that is whole and was not finished, because the process died right then, is finished now.
 * Throws Problem `not_found`, `gone`, `upload_locked`, and what finishUpload throws.
 */
export async function lookToResume(services: ResumableServices, wanted: { tenantId: string; id: string }): Promise<Looked> {
  const upload = await services.locks.settled(wanted);
  if (upload.status !== "open" || upload.length !== upload.offset) return { upload };
  const taken = await services.locks.take(wanted);
  if (!taken.held) return { upload: taken.upload };
  try {
    const finished = await finishUpload(services, taken, { hash: undefined, head: undefined });
    return {
      upload: { ...taken.upload, status: "completed", jobId: finished.jobId ?? null, jobProblem: finished.jobProblem ?? null },
      finished,
    };
  } finally {
    await taken.release();
  }
}

/** The upload as it is, for people; disturbs nobody. Throws Problem `not_found` or `gone`. */
export async function lookAt(
  { database }: Pick<ResumableServices, "database">,
  { tenantId, id }: { tenantId: string; id: string },
): Promise<UploadRow> {
  return await database.asTenant(tenantId, async (transaction) => {
    const upload = await findUpload(transaction, id);
    assertThere(upload, id);
    return upload;
  });
}
