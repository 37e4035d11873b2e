import type { Database, Transaction } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import { failpoint } from "../failpoint.ts";
import type { EndedObject } from "../record/end-files.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import type { ObjectStores } from "../storage/object-stores.ts";

/**
 * Objects that no row names: left by uploads and tasks that died between their last byte and their commit, and by
 * deletions that died between their commit and the object.
 *
 * An object is old enough when it, and every later segment of its file, is older than the grace: by our clock and by the
 * database's, so that a collector whose clock is ahead takes nothing early. But no age proves that nobody will record the
 * object: a completion waits as long as the database is away, an upload may be slower than any grace. So, before anything
 * is deleted, the file's id is taken by a tombstone, a row of a deleted file. Whoever comes to record that file then fails
 * on the primary key, loudly, instead of committing rows whose bytes are gone; and where somebody is recording it right
 * now, the insertion waits for that transaction and finds the rows.
 */
export interface OrphanOptions {
  readonly database: Database;
  readonly store: ObjectStore;
  readonly graceMs: number;
  readonly signal?: AbortSignal | undefined;
}

export const BATCH = 1_000;
const DELETES_AT_ONCE = 16;

/** Deletes them; gives how many were deleted, and how many could not be, which the next round finds again. */
export async function deleteOrphans(options: OrphanOptions): Promise<{ deleted: number; failed: number }> {
  const { store, signal } = options;
  const total = { deleted: 0, failed: 0 };
  const before = await oldEnough(options);
  let batch: string[] = [];
  const flush = async () => {
    const done = await deleteBatch(options, batch, before);
    total.deleted += done.deleted;
    total.failed += done.failed;
    batch = [];
  };
  for await (const object of store.list("")) {
    if (signal?.aborted) return total;
    if (object.modifiedAt < before) batch.push(object.key);
    if (batch.length >= BATCH) await flush();
  }
  if (batch.length > 0) await flush();
  return total;
}

async function oldEnough({ database, graceMs }: OrphanOptions): Promise<Date> {
  const [row] = await database.asSystem((transaction) => transaction.query<{ now: Date }>(sql`SELECT now() AS now`));
  return new Date(Math.min(Date.now(), row?.now.getTime() ?? 0) - graceMs);
}

async function deleteBatch(options: OrphanOptions, keys: readonly string[], before: Date): Promise<{ deleted: number; failed: number }> {
  const { database, store } = options;
  const unnamed = await database.asSystem((transaction) => withoutRow(transaction, store.name, keys));
  const suspects = await settledOnly(store, unnamed, before);
  if (suspects.length === 0) return { deleted: 0, failed: 0 };
  await database.asSystem((transaction) => takeIds(transaction, suspects));
  await failpoint("garbage-after-tombstones");
  // Again, in a transaction of its own: what was recorded meanwhile is visible now, and nothing more can come.
  const garbage = await database.asSystem((transaction) => withoutRow(transaction, store.name, suspects));
  return await deleteAll(garbage.map((key) => () => store.delete(key)));
}

/** Deletes objects that no row names any more, each from its store. Never rejects. */
export async function deleteObjects(
  stores: Pick<ObjectStores, "named">,
  objects: readonly EndedObject[],
): Promise<{ deleted: number; failed: number }> {
  return await deleteAll(
    objects.map(
      ({ store, key }) =>
        async () =>
          await stores.named(store).delete(key),
    ),
  );
}

async function deleteAll(deletions: readonly (() => Promise<void>)[]): Promise<{ deleted: number; failed: number }> {
  const total = { deleted: 0, failed: 0 };
  for (let start = 0; start < deletions.length; start += DELETES_AT_ONCE) {
    const done = await Promise.allSettled(deletions.slice(start, start + DELETES_AT_ONCE).map(async (run) => await run()));
    for (const { status } of done) total[status === "fulfilled" ? "deleted" : "failed"] += 1;
  }
  return total;
}

/**
 * Of these keys of a store, those that belong to no file's content there and to no upload under way. A row that names another
 * store does not need the object in this one: the file was moved, and the old place was left.
 */
async function withoutRow(transaction: Transaction, store: string, keys: readonly string[]): Promise<string[]> {
  const rows = await transaction.query<{ key: string }>(sql`
    SELECT key FROM unnest(${keys}::text[], ${keys.map((key) => placeOf(key)?.fileId ?? null)}::uuid[]) AS given(key, file_id)
    WHERE NOT EXISTS (SELECT FROM segments WHERE object_key = given.key AND store = ${store})
      AND NOT EXISTS (SELECT FROM upload_segments WHERE object_key = given.key AND store = ${store})
      AND NOT EXISTS (SELECT FROM uploads WHERE file_id = given.file_id AND status = 'open')
      AND NOT EXISTS (SELECT FROM files WHERE id = given.file_id AND status = 'uploading')`);
  return rows.map((row) => row.key);
}

/**
 * Keys of files that get no more segments: none that follows is young. A slow upload puts one after the other, numbered
 * from 0, and asking for the next number costs less than listing what a file has.
 */
async function settledOnly(store: ObjectStore, keys: readonly string[], before: Date): Promise<string[]> {
  const lasts = new Map<string, number>();
  for (const key of keys) {
    const place = placeOf(key);
    if (place) lasts.set(place.series, Math.max(place.segment, lasts.get(place.series) ?? 0));
  }
  const growing = new Set<string>();
  for (const [series, last] of lasts) {
    for (let segment = last + 1; !growing.has(series); segment++) {
      const next = await store.head(`${series}/${segment}`);
      if (!next) break;
      if (next.modifiedAt >= before) growing.add(series);
    }
  }
  return keys.filter((key) => !growing.has(placeOf(key)?.series ?? ""));
}

/** Tombstones for the files of these keys. An id that is taken already stays as it is. */
async function takeIds(transaction: Transaction, keys: readonly string[]): Promise<void> {
  const places = new Map(keys.flatMap((key) => placeOf(key) ?? []).map((place) => [place.fileId, place]));
  const ids = [...places.keys()].sort();
  await transaction.execute(sql`
    INSERT INTO files (id, tenant_id, name, size_bytes, sha256, media_type, origin, status, deleted_at)
    SELECT given.id, tenants.id, 'never recorded', 0, decode(repeat('00', 32), 'hex'), 'application/octet-stream', 'intermediate', 'deleted', now()
    FROM unnest(${ids}::uuid[], ${ids.map((id) => places.get(id)?.tenantId)}::uuid[]) AS given(id, tenant_id)
    JOIN tenants ON tenants.id = given.tenant_id
    ORDER BY given.id
    ON CONFLICT (id) DO NOTHING`);
}

const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
const KEY = new RegExp(`^((${UUID})/(${UUID})/\\d+)/(\\d+)$`);

/** Undefined for a key that is not `<tenant>/<file>/<epoch>/<segment>`: nothing of ours, and no row can come to name it. */
function placeOf(key: string): { tenantId: string; fileId: string; series: string; segment: number } | undefined {
  const [, series, tenantId, fileId, segment] = KEY.exec(key) ?? [];
  if (series === undefined || tenantId === undefined || fileId === undefined) return undefined;
  return { tenantId, fileId, series, segment: Number(segment) };
}
