import type { Logger } from "pino";
import type { Database } from "../db/database.ts";
import { StorageError } from "../errors.ts";
import { finishSweeps } from "../jobs/cancel.ts";
import type { EndedObject } from "../record/end-files.ts";
import type { ObjectStores } from "../storage/object-stores.ts";
import { foldUsage } from "../tenants/usage.ts";
import { endHistories } from "./end-histories.ts";
import { endIntermediates } from "./end-intermediates.ts";
import { expireFiles } from "./expire-files.ts";
import { expireRows, type ExpiredRows } from "./expire-rows.ts";
import { expireUploads } from "./expire-uploads.ts";
import { finishRestores } from "./restore-file.ts";
import { deleteObjects, deleteOrphans } from "./orphan-objects.ts";

export interface GarbageOptions {
  readonly database: Database;
  readonly stores: Pick<ObjectStores, "all" | "named" | "tidy">;
  /** How old an object without a row must be; longer than anybody needs between the bytes and the commit. */
  readonly graceMs: number;
  readonly log: Logger;
  /** Ends the round after the batch under way. */
  readonly signal?: AbortSignal | undefined;
}

export interface Collected extends ExpiredRows {
  readonly intermediateFiles: number;
  readonly expiredFiles: number;
  /** That were brought back from an archive. */
  readonly restoredFiles: number;
  /** Resumable ones whose time was over. */
  readonly expiredUploads: number;
  readonly orphanObjects: number;
  readonly leftovers: number;
  readonly sweptJobs: number;
  /** Of deleted jobs none of whose files is left. */
  readonly histories: number;
}

/** Far longer than a cancellation takes that nobody killed. */
const SWEEP_OVERDUE_MS = 60_000;

/**
 * One round: files whose time is over or that only crossed a stage boundary of jobs that have ended, objects without a row, what dead writers
 * left in the store, rows that were for a time, and cancellations that died half way. Work is in bounded batches, memory
 * is flat, and any number of rounds may run at once or die anywhere: what one did not finish, the next one does. Rejects
 * StorageError or a database error.
 */
export async function collectGarbage(options: GarbageOptions): Promise<Collected> {
  const { database, stores, signal, log } = options;
  const discard = (objects: readonly EndedObject[]) => deleteObjects(stores, objects);
  const expiredFiles = await expireFiles({ database, discard, signal });
  const intermediateFiles = await endIntermediates({ database, discard, signal });
  const { uploads: expiredUploads } = await expireUploads({ database, discard, signal });
  const orphans = await deleteOrphansOfAll(options);
  const leftovers = await stores.tidy();
  const restoredFiles = await finishRestores({ database, stores, log, signal });
  const expired = await expireRows(database, signal);
  await foldUsage(database, { signal });
  const histories = await endHistories(database, signal);
  const sweptJobs = await finishSweeps(database, SWEEP_OVERDUE_MS);
  const files = { restoredFiles, expiredFiles, intermediateFiles, expiredUploads };
  const collected = { ...files, orphanObjects: orphans.deleted, leftovers, sweptJobs, histories, ...expired };
  if (orphans.failed > 0) log.warn({ objects: orphans.failed }, "objects without a row could not be deleted; the next round tries again");
  if (Object.values(collected).some((count) => count > 0)) log.info(collected, "garbage was collected");
  return collected;
}

/** A store that is away does not keep the others from being looked through. */
async function deleteOrphansOfAll(options: GarbageOptions): Promise<{ deleted: number; failed: number }> {
  const total = { deleted: 0, failed: 0 };
  for (const store of options.stores.all) {
    try {
      const { deleted, failed } = await deleteOrphans({ ...options, store });
      total.deleted += deleted;
      total.failed += failed;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      options.log.warn({ err: error, store: store.name }, "a store could not be looked through for garbage; the next round tries again");
    }
  }
  return total;
}
