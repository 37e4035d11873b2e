import { encodeId } from "@filemill/contract/ids.ts";
import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { failpoint } from "../failpoint.ts";
import { neededFiles } from "../jobs/needed-files.ts";
import { appendAudits } from "../record/audit.ts";
import { endFiles, type EndedObject } from "../record/end-files.ts";
import { appendEvents } from "../record/events.ts";

const BATCH = 200;

export interface ExpireOptions {
  readonly database: Database;
  /** Deletes objects that no row names any more; never rejects. */
  readonly discard: (objects: readonly EndedObject[]) => Promise<unknown>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Ends files whose time is over: rows first, then objects, as whoever deletes one. Held ones stay, and so do inputs of open
 * jobs, until these have ended. Any number of rounds may run at once: a file that another one has locked is left to it.
 * Gives the number of files.
 */
export async function expireFiles({ database, discard, signal }: ExpireOptions): Promise<number> {
  let files = 0;
  let after: Place = { expiresAt: "-infinity", id: "00000000-0000-0000-0000-000000000000" };
  while (!signal?.aborted) {
    const page = await database.asSystem((transaction) => expirePage(transaction, after));
    await failpoint("expire-after-rows-before-objects");
    await discard(page.objects);
    files += page.files;
    if (page.last === undefined) return files;
    after = page.last;
  }
  return files;
}

interface Place {
  /** As PostgreSQL writes it, because a Date has no microseconds. */
  readonly expiresAt: string;
  readonly id: string;
}

/** One page of the index, whatever becomes of it, so that files that have to stay are passed over once a round. */
async function expirePage(
  transaction: Transaction,
  after: Place,
): Promise<{ files: number; objects: EndedObject[]; last: Place | undefined }> {
  const due = await transaction.query<{ id: string; tenant_id: string; expires_at: string }>(sql`
    SELECT id, tenant_id, expires_at::text FROM files
    WHERE expires_at < now() AND status IN ('stored', 'quarantined') AND (expires_at, id) > (${after.expiresAt}::timestamptz, ${after.id}::uuid)
    ORDER BY expires_at, id LIMIT ${BATCH}`);
  const end = due.at(-1);
  const last = due.length < BATCH || end === undefined ? undefined : { expiresAt: end.expires_at, id: end.id };
  const ids = due.map(({ id }) => id);
  const locked = await transaction.query<{ id: string; tenant_id: string }>(sql`
    SELECT id, tenant_id FROM files
    WHERE id = ANY(${ids}::uuid[]) AND expires_at < now() AND status IN ('stored', 'quarantined')
      AND held_at IS NULL AND origin <> 'intermediate'
    ORDER BY id FOR UPDATE SKIP LOCKED`);
  const over = await withoutNeeded(transaction, locked);
  const objects = await endFiles(
    transaction,
    over.map(({ id }) => id),
  );
  const told = over.map(({ id, tenant_id: tenantId }) => ({ tenantId, id: encodeId("file", id) }));
  await appendEvents(
    transaction,
    told.map(({ tenantId, id }) => ({ tenantId, type: "file.deleted" as const, data: { file_id: id, reason: "expired" } })),
  );
  await appendAudits(
    transaction,
    told.map(({ tenantId, id }) => ({ tenantId, actor: "system", action: "file.expire", object: id })),
  );
  return { files: over.length, objects, last };
}

/** After the lock, so that no submission can take one of them meanwhile. */
async function withoutNeeded<File extends { readonly id: string; readonly tenant_id: string }>(
  transaction: Transaction,
  files: readonly File[],
): Promise<File[]> {
  const byTenant = Map.groupBy(files, (file) => file.tenant_id);
  const needed = new Set<string>();
  for (const [tenantId, own] of byTenant) {
    const ids = own.map(({ id }) => id);
    for (const id of await neededFiles(transaction, tenantId, ids)) needed.add(id);
  }
  return files.filter(({ id }) => !needed.has(id));
}
