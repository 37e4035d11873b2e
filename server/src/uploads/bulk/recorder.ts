import { encodeId } from "@filemill/contract/ids.ts";
import type { Database } from "../../db/database.ts";
import { Problem } from "../../errors.ts";
import { failpoint } from "../../failpoint.ts";
import { recordFiles, type StoredFile } from "../../record/files.ts";
import type { ContentStore } from "../../storage/content-store.ts";
import { settleReservations, type Reservation } from "../../tenants/quota-reservation.ts";
import type { Quotas } from "../../tenants/quotas.ts";
import { discardFiles, withRoom } from "../commit.ts";

export interface RecordedBulk {
  readonly database: Database;
  readonly contents: ContentStore;
  readonly quotas: Quotas;
  readonly tenantId: string;
  readonly actor: string;
  readonly bulkId: string;
  /** Told after each commit. */
  readonly onRecorded: (files: readonly StoredFile[]) => void;
}

/** Files in a transaction: beyond some hundreds the commit is no longer what costs. */
const BATCH_FILES = 500;
const BATCH_BYTES = 4 * 2 ** 20;
/** Batches that are recorded at the same time, each whole or not at all: one alone took twice as long as reading the next. */
const AT_ONCE = 2;

export interface Recorder {
  /** Where the room for the next file is to be taken. */
  reservation(): Promise<Reservation>;
  /** Resolves when there is room for the next: one batch is being filled and at most AT_ONCE are committed. Rejects what a commit rejected with. */
  add(file: StoredFile): Promise<void>;
  /** Records what was added. Rejects as `add`. */
  flush(): Promise<void>;
}

interface Batch {
  readonly files: StoredFile[];
  readonly reservation: Reservation;
}

/** Records the files of a bulk in batches, one transaction each, while the next batch is still being read. */
export function createRecorder(bulk: RecordedBulk): Recorder {
  let batch: Promise<Batch> | undefined;
  let batchBytes = 0;
  /** Oldest first; what one rejected with stays here until somebody was told. */
  const recordings: Promise<void>[] = [];

  function current(): Promise<Batch> {
    return (batch ??= roomForBatch(bulk).then((reservation) => ({ files: [], reservation })));
  }

  async function hand(): Promise<void> {
    if (batch === undefined) return;
    const { files, reservation } = await batch;
    batch = undefined;
    batchBytes = 0;
    try {
      if (recordings.length >= AT_ONCE) await recordings.shift();
    } catch (error) {
      await Promise.all([discardFiles(bulk.contents, files), reservation.release()]);
      throw error;
    }
    const recording = recordInTurn({ files, reservation }, recordings.at(-1));
    // Told to the next who waits for it.
    recording.catch(() => undefined);
    recordings.push(recording);
  }

  /** Files are told of in the order of the archive, whichever commit was first. */
  async function recordInTurn(full: Batch, before: Promise<void> | undefined): Promise<void> {
    await recordBatch(bulk, full);
    await before?.catch(() => undefined);
    bulk.onRecorded(full.files);
  }

  return {
    reservation: async () => (await current()).reservation,
    async add(file) {
      const { files } = await current();
      files.push(file);
      batchBytes += "inline" in file.content ? file.content.inline.length : 0;
      if (files.length >= BATCH_FILES || batchBytes >= BATCH_BYTES) await hand();
    },
    async flush() {
      const [handed] = await Promise.allSettled([hand()]);
      // None goes on behind the answer, whatever became of the others.
      const ends = await Promise.allSettled(recordings.splice(0));
      for (const end of [handed, ...ends]) if (end.status === "rejected") throw end.reason;
    },
  };
}

/** Of a tenant with a limit: for as many files at once, or, near the limit, for one after the other. */
async function roomForBatch({ quotas, tenantId }: RecordedBulk): Promise<Reservation> {
  const reservation = await quotas.open(tenantId);
  try {
    await reservation.expect({ bytes: 0, files: BATCH_FILES });
    return reservation;
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "quota_exceeded") throw error;
    return await quotas.open(tenantId);
  }
}

async function recordBatch(bulk: RecordedBulk, { files, reservation }: Batch): Promise<void> {
  if (files.length === 0) return await reservation.release();
  const { database, contents, tenantId, actor, bulkId } = bulk;
  let committing = false;
  const record = () =>
    database.asTenant(tenantId, async (transaction) => {
      await settleReservations(transaction, [reservation.id]);
      const detail = { first: publicId(files[0]), last: publicId(files.at(-1)), files: files.length };
      const audit = { tenantId, actor, action: "file.upload", object: encodeId("bulk", bulkId), detail };
      await recordFiles(transaction, { files, audits: [audit] });
      await failpoint("bulk-before-commit");
      committing = true;
    });
  try {
    await withRoom(reservation, record);
    reservation.settled();
  } catch (error) {
    // Where COMMIT fails the rows may be there all the same; see commit.ts.
    if (!committing) await discardFiles(contents, files);
    await reservation.release();
    throw isTaken(error) ? alreadyStored(error) : error;
  }
  await failpoint("bulk-after-commit");
}

function publicId(file: StoredFile | undefined): string | null {
  return file === undefined ? null : encodeId("file", file.id);
}

/** unique_violation: only the ids can be taken, as nothing else of a new file is unique. */
function isTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "23505";
}

function alreadyStored(cause: unknown): Problem {
  return new Problem("unavailable", "Another request with the same Idempotency-Key is storing this archive. Send this one again later.", {
    retryAfterSeconds: 1,
    cause,
  });
}
